"""The company's logo: a small SVG or PNG, taken only if it is what it says and cannot act.

The bytes come from whoever reads the controller file; what they are is read from them and never from a name. Pages are
light, so a logo is too. Reads no file. Imports nothing of ours.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from xml.etree import ElementTree

LARGEST = 16 * 1024  # bytes: a page with everything on it stays below 40 kB
PNG, HEADER = b"\x89PNG\r\n\x1a\n", b"\x00\x00\x00\rIHDR"  # PNG specification, sections 5.2 and 11.2.1
SVG = "{http://www.w3.org/2000/svg}"
ACTIVE = (f"{SVG}script", f"{SVG}foreignObject")
HEIGHT_PX, WIDEST_PX = 40, 200  # as it is shown


@dataclass(frozen=True)
class Logo:
    """A picture that may be shown, with its type and proportions."""

    content: bytes
    mimetype: str
    proportion: float  # how many times as wide as high

    @property
    def size(self) -> tuple[int, int]:
        """How wide and high it is shown, in pixels."""
        height = min(HEIGHT_PX, WIDEST_PX / self.proportion)
        return max(1, round(height * self.proportion)), max(1, round(height))

    @property
    def version(self) -> str:
        """Other bytes have another one."""
        return sha256(self.content).hexdigest()[:12]


def read(content: bytes) -> Logo:
    """Return the logo that a file holds; raises ValueError that says what is wrong with it."""
    if len(content) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST // 1024} kB; save it smaller, best as SVG")
    if content.startswith(PNG + HEADER):
        return _png(content)
    return _svg(content)


def _png(content: bytes) -> Logo:
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    if not width or not height:
        raise ValueError("the PNG says no size")
    return Logo(content, "image/png", width / height)


def _svg(content: bytes) -> Logo:
    if b"<!ENTITY" in content:
        raise ValueError("an SVG with entities of its own is not taken; save it without")
    try:
        picture = ElementTree.fromstring(content)  # noqa: S314 - small, of the owner's own, without entities
    except ElementTree.ParseError:
        picture = None
    if picture is None or picture.tag != f"{SVG}svg":
        raise ValueError("it is neither an SVG nor a PNG")
    if any(_acts(part) for part in picture.iter()):
        raise ValueError("an SVG with scripts or links is not taken; save it without")
    numbers = [float(number) for number in re.findall(r"\d+\.?\d*|\.\d+", picture.get("viewBox", ""))]
    if len(numbers) != 4 or not numbers[2] or not numbers[3]:
        raise ValueError("the SVG says no size; give it a viewBox")
    return Logo(content, "image/svg+xml", numbers[2] / numbers[3])


def _acts(part: ElementTree.Element) -> bool:
    leads_away = any(name.endswith("href") and not value.startswith("#") for name, value in part.items())
    return part.tag in ACTIVE or leads_away or any(name.lower().startswith("on") for name in part.attrib)
