"""The design system: one sheet of tokens, shades that can be read, a logo that cannot act, pages that weigh little."""

import re
import struct
from urllib.parse import urljoin

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as some

from consent_service.config import TEMPLATES
from consent_service.look import colour, design, logo
from consent_service.web import policy
from tests.actors import Visitor
from tests.household import CONTROLLER

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 40">{}</svg>'
DRAWING = SVG.format('<rect width="160" height="40" fill="#8a2be2"/>').encode()
PNG = logo.PNG + logo.HEADER + struct.pack(">II", 300, 150) + bytes(20)
VIOLET = "#8a2be2"
HEAVIEST = DRAWING.replace(b"</svg>", b"<desc>" + b"x" * (logo.LARGEST - len(DRAWING) - 13) + b"</desc></svg>")
ON_THE_WIRE = 40_000  # bytes
SHEETS = sorted(set(design.SHEETS.glob("*.css")) - {design.SHEETS / "demo.css"})  # which is another site's
MAILS = sorted((TEMPLATES / "mail").glob("*.jinja"))
THEMES = pytest.mark.parametrize("theme", design.themes(), ids=["light", "dark"])


# Colours


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21),
        ("#ffffff", "#ffffff", 1),
        ("#777777", "#ffffff", 4.48),
        ("#767676", "#ffffff", 4.54),
        ("#ff0000", "#ffffff", 4.00),
        ("#008000", "#ffffff", 5.14),
        ("#0000ff", "#ffffff", 8.59),
        ("#0f5f5c", "#FFFFFF", 7.47),
    ],
)
def test_contrast_is_what_others_measure(one, other, ratio):
    assert round(colour.contrast(one, other), 2) == round(colour.contrast(other, one), 2) == ratio


@pytest.mark.parametrize(
    ("one", "share", "other", "mixed"),
    [
        ("#ff0000", 0.25, "#0000ff", "#4000bf"),
        ("#000000", 0.5, "#ffffff", "#808080"),
        ("#0f5f5c", 0.09, "#ffffff", "#e9f1f0"),
        ("#0f5f5c", 1, "#ffffff", "#0f5f5c"),
    ],
)
def test_colours_mix_as_in_a_browser(one, share, other, mixed):
    assert colour.mixed(one, share, other) == mixed


def test_the_nearest_shade_is_the_first_that_can_be_read():
    assert colour.nearest("#2a9d8f", colour.BLACK, [colour.WHITE], colour.WORDS) == "#238478"
    assert colour.contrast("#238478", colour.WHITE) >= 4.5 > colour.contrast("#248579", colour.WHITE)
    assert colour.nearest("#0f5f5c", colour.BLACK, [colour.WHITE], colour.WORDS) == "#0f5f5c"
    with pytest.raises(ValueError, match="#ffffff cannot be told from #ffffff"):
        colour.nearest("#eeeeee", colour.WHITE, [colour.WHITE], colour.WORDS)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(some.integers(0, 0xFFFFFF))
def test_every_accent_that_is_taken_can_be_read_wherever_it_stands(number):
    accent = f"#{number:06x}"
    assume(colour.contrast(accent, colour.WHITE) >= colour.WORDS)
    found = design.shades(accent)
    for shade, theme in zip((found.light, found.dark), design.themes(), strict=True):
        for ground in (*design.surfaces(accent, theme), theme["on-strong"]):
            assert colour.contrast(shade, ground) >= colour.WORDS, (shade, ground)
    for ground in (colour.WHITE, *design.surfaces(accent, design.themes()[1])[:2]):
        assert colour.contrast(found.either, ground) >= colour.PARTS, ground


@THEMES
def test_words_and_edges_can_be_told_from_every_surface(theme):
    for ground in design.surfaces(CONTROLLER.accent, theme):
        for words in ("ink", "quiet", "wrong"):
            assert colour.contrast(theme[words], ground) >= colour.WORDS, (words, ground)
        for part in ("edge", "focus"):
            assert colour.contrast(theme[part], ground) >= colour.PARTS, (part, ground)
    assert colour.contrast(theme["on-strong"], theme["wrong"]) >= colour.WORDS, "on a button that erases"


# One place for all of them


@pytest.mark.parametrize(
    "file", [*(file for file in SHEETS if file.stem != "tokens"), *MAILS], ids=lambda file: file.name
)
def test_no_other_sheet_and_no_mail_has_a_colour_or_size_of_its_own(file):
    text = file.read_text("utf-8")
    assert re.findall(r"(?<!&)#[0-9a-fA-F]{3,8}\b|\b(?:rgb|hsl|oklch)a?\(", text) == []
    sizes = re.findall(r"font-size: ?([^;}\"]+)", text)
    on_paper = ("9.5pt", "9pt", "11pt", "13pt", "18pt", "1rem", "0.9em")
    assert [size for size in sizes if not size.startswith(("var(--text", "{{ look")) and size not in on_paper] == []


def test_every_token_is_used_and_every_one_used_is_there():
    known = set(design.themes()[0]) | {"accent", "accent-on-light", "accent-on-dark", "either"}
    used = {name for file in SHEETS for name in re.findall(r"var\(--([\w-]+)\)", file.read_text("utf-8"))}
    used |= {
        name
        for file in MAILS
        for pair in re.findall(r'look(?:\["([\w-]+)"\]|\.(\w+))', file.read_text())
        for name in pair
    }
    assert used - {""} == known


def test_nothing_moves_unless_somebody_likes_movement():
    for file in SHEETS:
        text = re.sub(r"/\*.*?\*/", "", file.read_text("utf-8"), flags=re.DOTALL)
        still = text.partition("@media (prefers-reduced-motion: no-preference)")[0]
        assert not re.search(r"\b(transition|animation|scroll-behavior)\b", still), file.name


# The company's own


@pytest.fixture
def violet(open_house, tmp_path):
    """The household of a company with a colour and a logo."""
    own = CONTROLLER.model_copy(update={"accent": VIOLET, "logo": logo.read(DRAWING)})
    return open_house(f"sqlite:///{tmp_path}/violet.db", controller=own)


def test_pages_mails_and_the_file_to_take_along_have_the_companys_colour(violet):
    aino = Visitor(violet).becomes_active()
    dark = design.shades(VIOLET).dark
    [sheet] = re.findall(r'href="(/brand\.css[^"]*)"', aino.open_form().html)
    told = violet.get(sheet).answer
    assert told.headers["Cache-Control"] == "public, max-age=3600"
    assert f"--accent: {VIOLET}; --accent-on-light: {VIOLET}; --accent-on-dark: {dark};" in told.text
    assert "--paper: #ffffff" in told.text
    assert f"background:{VIOLET};color:#ffffff" in aino.mails()[0].html
    assert VIOLET in violet.get("/icon.svg").html
    assert not any("#0f5f5c" in mail.html for mail in aino.mails())


def test_the_logo_is_a_picture_that_says_the_name(violet):
    page = Visitor(violet).open_form()
    [(address, width, height, name)] = re.findall(
        r'<img class="logo" src="([^"]+)" width="(\d+)" height="(\d+)" alt="([^"]*)">', page.html
    )
    assert (width, height, name) == ("160", "40", CONTROLLER.name)
    answer = violet.get(address).answer
    assert answer.content == DRAWING
    assert answer.headers["Content-Type"] == "image/svg+xml; charset=utf-8"
    assert answer.headers["Content-Security-Policy"] == policy.PICTURE
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "public, max-age=3600"


def test_without_a_logo_the_name_stands_in_words(standing_house):
    page = Visitor(standing_house).open_form()
    assert "<img" not in page.html
    assert f">{CONTROLLER.name}</a>" in page.html
    answer = standing_house.get("/logo").answer
    assert (answer.status_code, answer.headers["Cache-Control"]) == (404, "no-store")


def test_a_logo_is_shown_in_its_proportions_and_within_bounds():
    assert logo.read(PNG).mimetype == "image/png"
    assert logo.read(PNG).size == (80, 40)
    assert logo.read(SVG.replace("0 0 160 40", "-5,-5, 1000 .5").format("").encode()).size == (200, 1)
    assert logo.read(SVG.replace("160 40", "40 160").format("").encode()).size == (10, 40)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "neither an SVG nor a PNG"),
        (b"GIF89a" + bytes(40), "neither an SVG nor a PNG"),
        (logo.PNG + bytes(40), "neither an SVG nor a PNG"),
        (b"<html><svg></svg></html>", "neither an SVG nor a PNG"),
        (DRAWING[:-3], "neither an SVG nor a PNG"),
        (DRAWING.decode().encode("utf-16"), "neither an SVG nor a PNG"),
        (logo.PNG + logo.HEADER + bytes(20), "the PNG says no sensible size"),
        (logo.PNG + logo.HEADER + struct.pack(">II", 2**31 - 1, 150) + bytes(20), "the PNG says no sensible size"),
        (HEAVIEST + b" ", "larger than 16 kB"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" width="160" height="40"/>', "viewBox"),
        (b'<!DOCTYPE svg [<!ENTITY a "b">]>' + DRAWING, "DOCTYPE"),
        (b'<!doctype svg SYSTEM "https://evil.example/x.dtd">' + DRAWING, "DOCTYPE|neither"),
        (b'<?xml-stylesheet href="https://evil.example/x.css"?>' + DRAWING, "DOCTYPE"),
        (b'<?xml version="1.0" encoding="cp037"?>' + DRAWING, "UTF-8"),
    ],
)
def test_what_is_no_plain_picture_is_not_taken(content, told):
    with pytest.raises(ValueError, match=told):
        logo.read(content)


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        '<script href="#x"/>',
        '<x:script xmlns:x="http://www.w3.org/1999/xhtml">alert(1)</x:script>',
        '<x:img xmlns:x="http://www.w3.org/1999/xhtml" src="#"/>',
        "<foreignObject/>",
        '<handler type="application/ecmascript">alert(1)</handler>',
        '<rect onload="alert(1)"/>',
        '<rect ONLOAD="alert(1)"/>',
        '<g><a href="https://evil.example"/></g>',
        '<a href="  javascript:alert(1)"/>',
        '<a href="&#106;avascript:alert(1)"/>',
        '<a xmlns:x="http://www.w3.org/1999/xlink" x:href="javascript:alert(1)"/>',
        '<use href="https://evil.example/x.svg#a"/>',
        '<image href="data:image/svg+xml;base64,PHN2Zy8+"/>',
        '<image href="//evil.example/pixel.png"/>',
        '<g xml:base="https://evil.example/"><use href="#a"/></g>',
        '<a href="#a"><set attributeName="href" to="javascript:alert(1)"/></a>',
        '<a href="#a"><animate attributeName="xlink:href" values="javascript:alert(1)"/></a>',
        '<rect fill="url(https://evil.example/x.svg#a)"/>',
        "<rect fill=\"URL( '//evil.example/x.svg#a' )\"/>",
        '<rect style="fill: url(https://evil.example/x)"/>',
        '<rect fill="\\75rl(https://evil.example/x)"/>',
        "<rect style=\"fill: image-set('https://evil.example/x' 1x)\"/>",
        "<style>@import 'https://evil.example/x.css';</style>",
        "<style>@\\69mport 'https://evil.example/x.css';</style>",
        "<style><![CDATA[@IMPORT 'https://evil.example/x.css';]]></style>",
        "<style>@font-face { font-family: x; src: url(https://evil.example/x.woff) }</style>",
        "<style>rect { fill: url(https://evil.example/x",
    ],
)
def test_a_picture_that_acts_or_leads_elsewhere_is_not_taken(inside):
    closing = "</style>" if inside.startswith("<style>") and "</style>" not in inside else ""
    with pytest.raises(ValueError, match="scripts, links or references to elsewhere"):
        logo.read(SVG.format(inside + closing).encode())


@pytest.mark.parametrize(
    "says",
    [
        'viewBox="0 0 160 0"',
        'viewBox="0 0 -160 40"',
        'viewBox="0 0 NaN 40"',
        'viewBox="0 0 inf 40"',
        'viewBox="0 0 1e9 40"',
        'viewBox="0 0 160 40 7"',
        'viewBox="0 0 160"',
        'viewBox="a 0 0 160 40"',
        'viewBox=""',
        'viewBox="0 0 160 40" width="1e12"',
        'viewBox="0 0 160 40" width="0"',
        'viewBox="0 0 160 40" height="-3px"',
        'viewBox="0 0 160 40" height="NaN"',
    ],
)
def test_a_picture_without_a_sensible_size_is_not_taken(says):
    with pytest.raises(ValueError, match="the SVG says no sensible size; give it a viewBox"):
        logo.read(SVG.replace('viewBox="0 0 160 40"', says).format("").encode())


def test_what_drawing_programs_write_is_taken():
    drawn = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
    <!-- Created with Inkscape -->
    <svg width="42.3mm" height="100%" viewBox="0 0 160 40" xmlns="http://www.w3.org/2000/svg"
      xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:i="http://www.inkscape.org/namespaces/inkscape"
      i:version="1.3"><i:namedview pagecolor="#fff"/><metadata id="m"/><defs><linearGradient id="a"/></defs>
      <style>.b { fill: url(#a); }</style><g style="fill:url('#a')"><use xlink:href="#b"/></g>
      <text font-family="Georgia">Keinuma</text></svg>"""
    assert logo.read(drawn.strip().encode()).size == (160, 40)


# Light pages


@pytest.mark.parametrize("code", ["fi", "sv", "en"])
def test_the_form_weighs_little_with_the_largest_logo_and_everything_it_loads(standing_house, code):
    standing_house.change_controller(logo=logo.read(HEAVIEST))
    page = Visitor(standing_house).open_form(code)
    tags = re.findall(r"<(?:link|img|script)\b[^>]*>", page.html)
    loads = [re.search(r'(?:href|src)="([^"]+)"', tag)[1] for tag in tags]
    assert len(loads) == 4
    answers = [page.answer, *(standing_house.get(urljoin(page.answer.url, load)).answer for load in loads)]
    assert all(answer.status_code == 200 and answer.url.startswith(standing_house.url) for answer in answers)
    assert sum(map(weight, answers)) <= ON_THE_WIRE
    standing_house.change_controller(logo=None)


def weight(answer):
    """Bytes of an answer with its headers, uncompressed."""
    return len(answer.content) + sum(len(f"{name}: {value}\r\n") for name, value in answer.headers.items())


def test_the_heaviest_logo_is_still_taken():
    assert len(HEAVIEST) == logo.LARGEST
    assert logo.read(HEAVIEST).proportion == 4
