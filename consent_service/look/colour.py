"""Colours as WCAG 2.2 measures them: contrast, and the nearest shade that can be read.

Nothing but computation: a colour is written `#rrggbb`, as in the controller file and the style sheets. Knows no page
and no company. Imports nothing of ours.
"""

from collections.abc import Iterable

WHITE, BLACK = "#ffffff", "#000000"
WORDS = 4.5  # WCAG 2.2, 1.4.3: text that is not large
PARTS = 3.0  # WCAG 2.2, 1.4.11: what shows where a control or a graphic is
EASY_WORDS = 7.0  # WCAG 2.2, 1.4.6


def luminance(colour: str) -> float:
    """Return how bright a colour is, from 0 (black) to 1 (white): WCAG 2.2, "relative luminance"."""
    red, green, blue = (_linear(part / 255) for part in _parts(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, from 1 to 21 (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def mixed(colour: str, share: float, other: str) -> str:
    """Return a `share` of one colour with another one, as `color-mix(in srgb, …)` does in a style sheet."""
    pairs = zip(_parts(colour), _parts(other), strict=True)
    return "#" + "".join(f"{round(one * share + rest * (1 - share)):02x}" for one, rest in pairs)


def nearest(colour: str, towards: str, surfaces: Iterable[str], least: float) -> str:
    """Return the colour with as little of `towards` in it as gives it the contrast `least` with every surface.

    Raises ValueError when not even `towards` has that.
    """
    against = tuple(surfaces)
    for percent in range(101):
        shade = mixed(towards, percent / 100, colour)
        if all(contrast(shade, surface) >= least for surface in against):
            return shade
    raise ValueError(f"{towards} cannot be told from {', '.join(against)}")


def _parts(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
