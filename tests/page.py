"""A web page as a careful reader sees it: its words, links and forms, with no browser."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests


@dataclass
class PageForm:
    """A form on a page: where it goes, its fields with their values, and the words on its buttons."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)
    sends: list[dict[str, str]] = field(default_factory=list)  # what each button adds, by its name and value

    def pressed(self, button: str) -> dict[str, str]:
        return self.fields | self.sends[self.buttons.index(button)]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[PageForm] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.title = ""
        self._in: list[str] = []
        self._text = ""  # the name of the text field that is being read

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag not in ("input", "meta", "link", "br"):
            self._in.append(tag)
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag == "form":
            self.forms.append(PageForm(found.get("action", ""), found.get("method", "get")))
        if tag == "button" and self.forms:
            self.forms[-1].buttons.append("")
            self.forms[-1].sends.append({found["name"]: found.get("value") or ""} if found.get("name") else {})
        if tag == "textarea" and self.forms and found.get("name"):
            self._text = found["name"]
            self.forms[-1].fields[self._text] = ""
        if tag == "input" and self.forms and found.get("type") not in ("checkbox", "radio") and found.get("name"):
            self.forms[-1].fields[found["name"]] = found.get("value") or ""

    def handle_endtag(self, tag):
        if tag == "textarea" and self._text:  # a browser leaves out the line break after the tag
            self.forms[-1].fields[self._text] = self.forms[-1].fields[self._text].removeprefix("\n")
            self._text = ""
        if tag in self._in:
            while self._in.pop() != tag:
                pass

    def handle_data(self, data):
        if "title" in self._in:
            self.title += data
        if self._text:
            self.forms[-1].fields[self._text] += data
        if "button" in self._in and self.forms:
            self.forms[-1].buttons[-1] = (self.forms[-1].buttons[-1] + " " + data).strip()
        if data.strip():
            self.words.append(" ".join(data.split()))


class Page:
    """One answer, read; `press` sends the form that has a button with these words."""

    def __init__(self, http: requests.Session, answer: requests.Response):
        self._http = http
        self.answer = answer
        self.status = answer.status_code
        is_text = answer.headers.get("Content-Type") != "application/zip"  # whose bytes look like any markup by chance
        self.html = answer.text.replace("<wbr>", "") if is_text else ""  # where a word may be broken is no part of it
        reader = _Reader()
        reader.feed(self.html)
        self.title, self.forms, self.links = reader.title, reader.forms, reader.links
        self.words = " ".join(reader.words)

    def form(self, button: str) -> PageForm:
        for form in self.forms:
            if button in form.buttons:
                return form
        raise AssertionError(f"no button {button!r} on {self.title!r}; there are {[f.buttons for f in self.forms]}")

    def press(self, button: str, **fields: str) -> "Page":
        form = self.form(button)
        address = urljoin(self.answer.url, form.action)
        send = self._http.post if form.method == "post" else self._http.get
        data = {"data" if form.method == "post" else "params": form.pressed(button) | fields}
        return Page(self._http, send(address, timeout=20, **data))
