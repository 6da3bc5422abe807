"""What somebody could type to make a page, a mail or a spreadsheet do something, a probe for every free text field.

The fields are read from the forms themselves, so that a new one has a probe at once. Every probe holds a number of
its own: wherever that is read, the rest of the probe has to stand around it, as it was typed.
"""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import unquote_plus, urlsplit

from flask_wtf import FlaskForm
from wtforms import HiddenField, PasswordField, StringField, TextAreaField
from wtforms.fields.core import UnboundField

from consent_service import web
from consent_service.register.document_files import PDF, read_name

LEADS = ("=cmd|'/c calc'!A1", "+1+1", "-2+3", "@SUM(A1)", "javascript:alert(1)")
MARK, FIRST_MARK = re.compile(r"alert\((\d{4})\)"), 1000
# What is read by a rule of its own, and kept only as that lets it be; everything else is free text.
BY_RULE = {
    *("email", "phone", "billing_email", "business_id", "einvoice_address", "postal_code", "country"),
    *("kind", "source", "language", "kept_as"),  # chosen
    *("code", "number", "choice", "proof", "website"),
    *(
        "console.contact_messages.EraseForm.last_name",
        "console.subscriber_rights.EraseForm.last_name",
    ),  # typed as a proof
    *("console.customer_rights.EraseForm.name", "console.data_request_acts.CarryOutForm.name"),
}
NOT_KEPT = {"console.people.SearchForm.words"}
NO_FORM = ("import.heading", "import.cell", "import.file", "document.file", "staff.name", "browser")
LONGEST = {"einvoice_operator": 35, "page": 50}
USUAL = 100
SCHEMES = {"", "http", "https", "mailto", "tel"}
ADDRESSES = {"href", "src", "action", "formaction", "data", "poster", "srcset", "cite", "background", "xlink:href"}
NAME = re.compile(r"[a-z][a-z0-9:-]*", re.IGNORECASE)


def text_fields() -> dict[str, type]:
    """Every field in which somebody types text, `module.Form.field`; an inherited one under who inherits it."""
    for module in pkgutil.walk_packages(web.__path__, f"{web.__name__}."):
        importlib.import_module(module.name)
    found = {}
    for form in _forms(FlaskForm):
        place = f"{form.__module__}.{form.__name__}".removeprefix(f"{web.__name__}.")
        for name in dir(form):
            field = getattr(form, name)
            kind = field.field_class if isinstance(field, UnboundField) else object
            if issubclass(kind, StringField) and not issubclass(kind, HiddenField | PasswordField):
                found[f"{place}.{name}"] = kind
    return found


def _forms(form: type) -> Iterator[type]:
    for child in form.__subclasses__():
        if not child.__subclasses__() and child.__module__.startswith(web.__name__):
            yield child
        yield from _forms(child)


def _is_free(place: str) -> bool:
    return not {place, place.rpartition(".")[2]} & BY_RULE


FIELDS = text_fields()
FREE = sorted(place for place in FIELDS if _is_free(place))
PLACES = dict(enumerate([*FREE, *NO_FORM], FIRST_MARK))
MARKS = {place: mark for mark, place in PLACES.items()}


def probe(place: str) -> str:
    """What is typed into a field: a formula, and whatever breaks out of text, of either quotes or of a template."""
    mark, longest = MARKS[place], LONGEST.get(place.rpartition(".")[2], USUAL)
    alert = f"alert({mark})"
    if place.endswith(".file"):  # whatever stands before a slash is taken for a folder
        return f"=1+1'><img src=x onerror={alert}>{{{{7*7}}}}"
    breaks = f'"><script>{alert}</script>'
    text = f"{LEADS[mark % len(LEADS)]}{breaks}{{{{7*7}}}}{{%raw%}}%(x)s<img src=x onerror=a>' onclick='"
    if issubclass(FIELDS.get(place, object), TextAreaField):
        return f"{text}\n\n=1+1\nBcc: eve@example.org\n.\n]]></textarea><svg onload={alert}>%(name)s %s 100 %"
    assert len(text) <= USUAL
    return text if len(text) <= longest else f"={breaks}"


def typed(form: str) -> dict[str, str]:
    """A probe for every free text field of a form, by the field's name, with lines that end as browsers end them."""
    mine = [place for place in FREE if place.startswith(f"{form}.")]
    return {place.removeprefix(f"{form}."): probe(place).replace("\n", "\r\n") for place in mine}


def flat(text: str) -> str:
    """Text without its blanks and without the apostrophes that keep a cell from being a formula."""
    return re.sub(r"[\s']", "", text)


def told(text: str) -> set[str]:
    """The places whose probes stand in a text; each has to stand there whole, or as far as a cell shows it."""
    places, shown = {PLACES[int(mark)] for mark in MARK.findall(text)}, flat(text)
    for place in places:
        kept = read_name(probe(place), PDF) if place == "document.file" else probe(place)
        lines = [flat(line) for line in kept.splitlines() if MARK.search(line)]
        cut = (f"{lines[0][:end]}..." for end in range(len(lines[0])))
        assert any(line in shown for line in (*lines, *cut)), (place, text)
    return places


def told_in_json(text: str) -> set[str]:
    """The places whose probes stand in the texts of a value written as JSON."""
    found: set[str] = set()
    to_read = [json.loads(text)]
    while to_read:
        value = to_read.pop()
        if isinstance(value, dict | list):
            to_read += [*value, *value.values()] if isinstance(value, dict) else value
        elif isinstance(value, str):
            found |= told(value)
    return found


class Read(HTMLParser):
    """A page or a mail as a browser takes it apart: fails where a probe is more than text, and tells whose show."""

    def __init__(self, html: str, called: str = ""):
        super().__init__()
        self._called = called
        self.places: set[str] = set()
        self.links: set[str] = set()  # those that carry a probe
        self.forms: list[tuple[str, str, dict[str, str]]] = []  # how and where each is sent, and its fields
        self._in, self._words = "", ""
        self.feed(html)
        self.close()
        self._end_text()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._end_text()
        self._in = tag
        said = dict(attrs)
        assert tag != "script" or (said.get("src") or "").startswith("/static/"), (self._called, attrs)
        if tag == "form":
            self.forms.append((said["method"] or "get", said.get("action") or "", {}))
        elif tag in ("input", "select", "textarea") and self.forms and said.get("name"):
            self.forms[-1][2][said["name"] or ""] = said.get("value") or ""
        for name, value in attrs:
            assert NAME.fullmatch(name) and not name.startswith("on"), (self._called, tag, attrs)
            if name in ADDRESSES:
                self._follow(tag, value or "")
            else:
                self.places |= told_in_json(value or "") if name == "data-asked" else told(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._end_text()
        self._in = ""

    def handle_data(self, data: str) -> None:
        assert self._in not in ("script", "style") or not MARK.search(data), (self._called, data)
        self._words += data

    def handle_comment(self, data: str) -> None:
        assert not MARK.search(data), (self._called, data)

    def _follow(self, tag: str, address: str) -> None:
        assert urlsplit(address).scheme in SCHEMES or address.startswith("data:image/"), (self._called, tag, address)
        assert not re.search(r"[<>\"\s]", address), (self._called, tag, address)
        self.places |= told(unquote_plus(address))
        self.links |= {address} if MARK.search(address) else set()

    def _end_text(self) -> None:
        self.places |= told(self._words)
        self._words = ""
