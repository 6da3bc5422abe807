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
XHTML = "{http://www.w3.org/1999/xhtml}"
ACTIVE = {"script", "foreignobject", "handler", "listener", "iframe", "object", "embed", "audio", "video"}
LEADING = {"href", "src", "base"}  # attributes that name what to load or where to go
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
VIEW_BOX = re.compile(rf"\s*{NUMBER}[\s,]+{NUMBER}[\s,]+({NUMBER})[\s,]+({NUMBER})\s*")
LENGTH = re.compile(rf"\s*({NUMBER})(?:[a-zA-Z]{{1,4}}|%)?\s*")
LARGEST_SIDE = 100_000  # of a drawing, in its own units
DECLARATION = re.compile(r"\s*<\?xml\s[^>]*?\?>")
# Style sheets load by these; a backslash could write any of them unseen.
LOADS = re.compile(r"@import|image-set\(|\bimage\(|\bsrc\(|\\")
URL = re.compile(r"url\(([^)]*)")
NO_PICTURE = "it is neither an SVG nor a PNG"
NO_SIZE = "the SVG says no sensible size; give it a viewBox"
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
    if not (_is_sensible(width) and _is_sensible(height)):
        raise ValueError("the PNG says no sensible size")
    return Logo(content, "image/png", width / height)


def _svg(content: bytes) -> Logo:
    picture = _plain_svg(content)
    if any(_acts(part) for part in picture.iter()):
        raise ValueError("an SVG with scripts, links or references to elsewhere is not taken; save it as a plain one")
    box = VIEW_BOX.fullmatch(picture.get("viewBox", ""))
    lengths = [LENGTH.fullmatch(picture.get(name, "1")) for name in ("width", "height")]
    if box is None or not all(length and _is_sensible(float(length[1])) for length in lengths):
        raise ValueError(NO_SIZE)
    width, height = float(box[1]), float(box[2])
    if not (_is_sensible(width) and _is_sensible(height)):
        raise ValueError(NO_SIZE)
    return Logo(content, "image/svg+xml", width / height)


def _plain_svg(content: bytes) -> ElementTree.Element:
    """The drawing of a file that every program reads alike: UTF-8, no DOCTYPE or entities, nothing for processors."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(NO_PICTURE) from None
    declared = DECLARATION.match(text)
    if declared and re.search(r"encoding\s*=\s*.(?!utf-8\b)", declared[0], re.IGNORECASE):
        raise ValueError("an SVG in another encoding than UTF-8 is not taken; save it in UTF-8")
    if re.search(r"<\?|<!(?!--|\[CDATA\[)", text[declared.end() if declared else 0 :]):
        raise ValueError("an SVG with a DOCTYPE, entities or instructions is not taken; save it as a plain one")
    try:
        picture = ElementTree.fromstring(text)  # noqa: S314 - small, of the owner's own, without entities
    except ElementTree.ParseError:
        raise ValueError(NO_PICTURE) from None
    if picture.tag != f"{SVG}svg":
        raise ValueError(NO_PICTURE)
    return picture


def _is_sensible(side: float) -> bool:
    return 0 < side <= LARGEST_SIDE


def _acts(part: ElementTree.Element) -> bool:
    """Whether a part of a drawing does something, or names anything outside the drawing."""
    if _local(part.tag) in ACTIVE or part.tag.startswith(XHTML):
        return True
    if any(_acts_by(_local(name), value) for name, value in part.items()):
        return True
    return _local(part.tag) == "style" and _reaches_out("".join(part.itertext()))


def _acts_by(name: str, value: str) -> bool:
    if name.startswith("on") or (name in LEADING and not value.startswith("#")):
        return True
    if name == "attributename":  # which an animation changes
        changed = value.strip().rpartition(":")[2].lower()
        return changed.startswith("on") or changed in LEADING
    return _reaches_out(value)


def _reaches_out(style: str) -> bool:
    style = style.lower()
    return bool(LOADS.search(style)) or any(
        not target.strip(" \t\r\n'\"").startswith("#") for target in URL.findall(style)
    )


def _local(name: str) -> str:
    return name.rpartition("}")[2].lower()
