"""What somebody copies out of docs/website.md works: its addresses are ours, its attributes those of the scripts.

The snippets of the tools themselves run in tests/browser/test_cookie_banner.py, on the site that takes them from there.
"""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from consent_service.config import TEMPLATES, Settings
from consent_service.notices.cookie_notice import OPTIONAL
from tests.household import CONTROLLER, settings

DOCS = Path(__file__).parents[1] / "docs"
SERVICE = "https://tilaus.example.fi"
GUIDE, COOKIES = ((DOCS / f"{name}.md").read_text("utf-8") for name in ("website", "cookies"))
FORM, BANNER = ((TEMPLATES / path).read_text("utf-8") for path in ("public/embed.js", "site/cookie-banner.js"))
BLOCKS = re.findall(r"^```html\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)


class Tags(HTMLParser):
    """Every element of some HTML: its name and its attributes."""

    def __init__(self, html: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


TAGS = Tags("".join(BLOCKS)).found


def test_every_address_of_ours_in_it_is_a_page_or_a_script(sqlite_house):
    paths = {path for block in BLOCKS for path in re.findall(rf'"{re.escape(SERVICE)}([^"]+)"', block)}
    assert {path.partition("?")[0] for path in paths} == {
        "/embed.js", "/cookie-banner.js", "/privacy", "/cookies", "/my-data", "/contact", "/subscribe",
    }  # fmt: skip
    for path in paths:
        page = sqlite_house.get(path)
        assert (page.status, path) == (200, path)
        kind = "text/javascript" if ".js" in path else "text/html"
        assert page.answer.headers["Content-Type"].startswith(kind)


def test_every_attribute_in_it_is_one_that_the_scripts_look_for():
    named = {name for _, attributes in TAGS for name in attributes if name.startswith("data-")}
    named |= set(re.findall(r"\bdata-[a-z]+(?:-[a-z]+)*", GUIDE + COOKIES))
    assert named == {"data-newsletter-form", "data-cookies", "data-src", "data-cookie-settings"}
    assert "[data-newsletter-form]" in FORM
    assert "[data-cookie-settings]" in BANNER
    assert 'script[type="text/plain"][data-cookies]' in BANNER and "iframe[data-cookies][data-src]" in BANNER


def test_whatever_waits_waits_for_a_category_that_can_be_allowed():
    waiting = [(tag, attributes) for tag, attributes in TAGS if "data-cookies" in attributes]
    assert [tag for tag, _ in waiting] == ["script"] * 4 + ["iframe"]
    for tag, attributes in waiting:
        assert attributes["data-cookies"] in OPTIONAL
        if tag == "script":
            assert attributes["type"] == "text/plain"
        else:
            assert attributes["title"] and attributes["data-src"] and "src" not in attributes
    ours = [attributes["src"] for tag, attributes in TAGS if tag == "script" and "data-cookies" not in attributes]
    assert all(source.startswith(f"{SERVICE}/") for source in ours), "whatever is not ours waits"


def test_every_tool_of_the_example_is_shown_with_the_category_it_has_there():
    for tool in CONTROLLER.cookie:
        told = GUIDE.partition("## Let each tool wait")[2].partition(tool.name)[2]
        assert re.search(r'data-cookies="(\w+)"', told)[1] == tool.category, tool.name


def test_the_custom_properties_are_those_of_the_scripts():
    told, form, banner = (set(re.findall(r"--consent-[\w-]+", text)) for text in (GUIDE, FORM, BANNER))
    assert told == form == banner
    assert len(told) == 5


def test_the_site_is_named_as_the_settings_take_it():
    [(name, value)] = re.findall(r"^(CONSENT_\w+)=(\S+)$", GUIDE, re.MULTILINE)
    assert name.removeprefix("CONSENT_").lower() in Settings.model_fields
    assert settings("sqlite:///never.db", allowed_origins=value).allowed_origins == (value,)


def test_the_plain_form_has_only_fields_that_are_kept():
    names = {attributes["name"] for tag, attributes in TAGS if tag == "input"}
    assert names == {"first_name", "last_name", "email"}


@pytest.mark.parametrize("words", ["Only necessary", "Accept all", "Cookie settings", "Check your e-mail"])
def test_what_it_says_to_press_or_see_is_what_stands_there(words):
    assert f"*{words}*" in GUIDE
    sources = [*TEMPLATES.rglob("*.html"), *(DOCS.parent / "consent_service").rglob("*.py")]
    assert any(f'"{words}"' in source.read_text("utf-8") for source in sources)


def test_the_two_documents_share_no_line_and_lead_to_each_others_parts():
    shared = {line for line in GUIDE.splitlines() if len(line) > 30} & set(COOKIES.splitlines())
    assert shared == set()
    titles = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall(r"^#+ (.*)$", GUIDE, re.M)
    }
    linked = set(re.findall(r"website\.md#([\w-]+)", COOKIES)) | set(re.findall(r"\]\(#([\w-]+)\)", GUIDE))
    assert linked and linked <= titles
