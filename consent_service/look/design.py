"""What pages, mails and printouts look like in common: the design tokens in `tokens.css`, with the company's colour.

The one sheet is read here, so that a mail has the same sizes and colours as a page. The company's accent is shown in
the shade that can be read wherever it stands: a little darker on light surfaces if need be, lighter on dark ones.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from consent_service.config import PACKAGE
from consent_service.look import colour

SHEETS = PACKAGE / "web" / "static"
ELSE, DARK = "\n@media", "\n@media screen and (prefers-color-scheme: dark)"
TOKEN = re.compile(r"--([\w-]+):\s*([^;]+);")
REM = re.compile(r"([\d.]+)rem")
PIXELS_A_REM = 16


@dataclass(frozen=True)
class Shades:
    """An accent as it is shown on light surfaces, on dark ones, and where nobody knows which it will be."""

    light: str
    dark: str
    either: str


def sheet(accent: str) -> str:
    """Return the design tokens as a style sheet, in the colours of a company with this accent."""
    found = shades(accent)
    own = f"--accent: {accent}; --accent-on-light: {found.light}; --accent-on-dark: {found.dark};"
    return f":root {{ {own} }}\n{_source()}"


@cache
def version(accent: str) -> str:
    """Another sheet has another one."""
    return sha256(sheet(accent).encode()).hexdigest()[:12]


@cache
def shades(accent: str) -> Shades:
    """Return the shades of an accent; any colour on which white can be read has them."""
    by_day, by_night = themes()
    light = colour.nearest(accent, colour.BLACK, surfaces(accent, by_day), colour.WORDS)
    paper, ground, tint = surfaces(accent, by_night)
    easy = colour.nearest(accent, colour.WHITE, (paper, ground), colour.EASY_WORDS)
    dark = colour.nearest(easy, colour.WHITE, (tint,), colour.WORDS)
    either = colour.nearest(accent, colour.WHITE, (paper, ground), colour.PARTS)
    return Shades(light, dark, either)


def surfaces(accent: str, theme: Mapping[str, str]) -> tuple[str, str, str]:
    """Return what words stand on in a theme: the paper, the ground around it, and the paper tinted with the accent."""
    share = float(theme["tint-share"].removesuffix("%")) / 100
    return theme["paper"], theme["ground"], colour.mixed(accent, share, theme["paper"])


@cache
def in_mails(accent: str) -> Mapping[str, str]:
    """Return the tokens of the light theme as mail programs take them, in pixels, and the company's colours.

    The words of a mail have the colour of the mail program, which alone knows whether it is dark; `accent` is for what
    brings its own ground, `either` for lines.
    """
    found = shades(accent)
    sizes = {name: REM.sub(_pixels, value) for name, value in _light().items()}
    return sizes | {"accent": found.light, "either": found.either}


def themes() -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the tokens of the light theme and of the dark one."""
    return _light(), _dark()


@cache
def _source() -> str:
    return (SHEETS / "tokens.css").read_text("utf-8")


@cache
def _light() -> Mapping[str, str]:
    return dict(TOKEN.findall(_source().partition(ELSE)[0]))


@cache
def _dark() -> Mapping[str, str]:
    return {**_light(), **dict(TOKEN.findall(_source().partition(DARK)[2].partition(ELSE)[0]))}


def _pixels(found: re.Match[str]) -> str:
    return f"{float(found[1]) * PIXELS_A_REM:g}px"
