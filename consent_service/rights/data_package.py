"""Everything held of a person as one file to take along (GDPR articles 15 and 20): a zip that needs no program of ours.

`tiedot.html` is for reading, `tiedot.json` and the tables for other programs, `activecampaign.json` is what is held
there. The rest is the proof: receipts, the words that were shown, the consent record, and checksums of it all. Asks no
database, reads no clock.
"""

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from consent_service import language as languages
from consent_service import retention
from consent_service.activecampaign import holdings
from consent_service.config import TEMPLATES
from consent_service.contact_messages import REASONS
from consent_service.language import HELSINKI, day_of, mark
from consent_service.ledger import seal
from consent_service.ledger.checkpoint import Verifiers
from consent_service.look import design
from consent_service.notices.privacy import OMBUDSMAN_PAGE
from consent_service.notices.statements import CHANNELS, CLAIMS, DOORS, LEAVING_REASONS, ORIGINS, SHOWN
from consent_service.rights import consent_record, personal_data
from consent_service.rights.consent_record import Place
from consent_service.rights.personal_data import PersonalData
from consent_service.rights.request_tasks import KINDS as REQUEST_KINDS

# Where a formula may begin: at the start, and after whatever some spreadsheet takes for the end of a cell.
FORMULA = re.compile(r"(?:^|(?<=[;,\t\r\n]))(?=\s*[=+\-@]|[\t\r])")
MESSAGES = {
    "confirmation": mark("the message to confirm"),
    "welcome": mark("the receipt of your subscription"),
    "already": mark("that you already subscribe"),
    "unsubscribe_link": mark("the link for leaving"),
    "my_data_link": mark("the link to your data"),
    "address_asked": mark("that another address was asked for"),
    "address_changed": mark("that your address was changed"),
    "sync": mark("update at ActiveCampaign"),
    "look": mark("look at your status at ActiveCampaign"),
    "readdress": mark("change of address at ActiveCampaign"),
    "fetch": mark("reading what ActiveCampaign holds about you"),
}
STYLES = ("style.css", "sheet.css")


@dataclass(frozen=True)
class Origin:
    """Where the file comes from: who keeps the data, and the keys its receipts are checked with, newest first.

    `forwards` says whether ActiveCampaign is connected.
    """

    place: Place
    verifiers: Verifiers
    forwards: bool


def package(held: PersonalData, origin: Origin) -> bytes:
    """Return the zip; the same data gives the same bytes."""
    return b"".join(pack(_files(held, origin), held.gathered_at))


def pack(files: Iterable[tuple[str, bytes]], at: datetime) -> Iterator[bytes]:
    """Yield a zip of files and their checksums that says of each that it is of one moment; keeps one at a time."""
    sink, sums = _Sink(), io.BytesIO()
    with zipfile.ZipFile(sink, "w") as folder:
        for name, content in files:
            sums.write(f"{sha256(content).hexdigest()}  {name}\n".encode())
            folder.writestr(_entry(name, at), content)
            yield sink.taken()
        folder.writestr(_entry("SHA256SUMS", at), sums.getvalue())
    yield sink.taken()


def name(held: PersonalData) -> str:
    """Return what to call the file: ASCII, and nobody's name."""
    return f"tiedot-{day_of(held.gathered_at).isoformat()}.zip"


class _Sink(io.RawIOBase):
    """Where a zip is written to piece by piece: what was taken is not kept."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, content: Any) -> int:
        before = len(self._written)
        self._written += content
        return len(self._written) - before

    def taken(self) -> bytes:
        taken, self._written = bytes(self._written), bytearray()
        return taken


def _entry(name: str, at: datetime) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, at.astimezone(HELSINKI).timetuple()[:6])
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
    return entry


def _files(held: PersonalData, origin: Origin) -> Iterable[tuple[str, bytes]]:
    yield "tiedot.html", _page(held, origin).encode()
    yield "tiedot.json", as_json(_everything(held))
    yield "activecampaign.json", as_json(_there(held, origin))
    for name, rows in _tables(held).items():
        yield f"{name}.csv", table(rows)
    yield "consent-record.jsonld", as_json(consent_record.compose(held, origin.place))
    yield "receipts/log-key.txt", "".join(f"{key}\n" for key in origin.verifiers.known).encode()
    for event_id, receipt in held.receipts.items():
        yield f"receipts/{event_id}.tlog-proof", receipt
    for text in held.texts:
        yield f"texts/{text.sha256}.txt", text.content.encode()


def _everything(held: PersonalData) -> dict[str, Any]:
    person = {name: value for name, value in asdict(held.person).items() if name != "email_key"}
    return {
        "gathered_at": held.gathered_at,
        "person": person,
        "suppression": asdict(held.suppressed) if held.suppressed else None,
        "requests": [asdict(ask) for ask in held.asks],
        "events": [_event(asdict(event)) for event in held.events],
        "texts": [asdict(text) for text in held.texts],
        "messages": [asdict(message) for message in held.messages],
        "contact_messages": [asdict(message) for message in held.contact_messages],
        "data_requests": [asdict(one) for one in held.data_requests],
    }


def _there(held: PersonalData, origin: Origin) -> dict[str, Any]:
    """What ActiveCampaign holds, as it came from there; the words of what is missing are the person's language's."""
    say, found = languages.language(held.person.language).say, held.there.holdings or holdings.Holdings()
    missing = {
        name: {"name": say(holdings.TITLES[name]), "reason": say(holdings.REASONS[reason])}
        for name, reason in found.missing.items()
    }
    told = {"state": held.there.state(forwards=origin.forwards), "fetched_at": held.there.fetched_at}
    return told | asdict(found) | {"missing": missing}


def _event(told: dict[str, Any]) -> dict[str, Any]:
    under = told.pop("seal")
    sealed = {"size": under["size"], "root": under["root"].hex(), "signed_at": under["signed_at"]} if under else None
    return told | {"leaf_hash": told["leaf_hash"].hex(), "checkpoint": sealed}


def _tables(held: PersonalData) -> dict[str, list[dict[str, Any]]]:
    told = _everything(held)
    events = [
        {name: value for name, value in event.items() if name not in ("core", "tech", "checkpoint")}
        | {f"core_{name}": value for name, value in sorted(event["core"].items())}
        | {f"tech_{name}": value for name, value in sorted((event["tech"] or {}).items())}
        for event in told["events"]
    ]
    texts = [{name: value for name, value in text.items() if name != "content"} for text in told["texts"]]
    return {
        "henkilo": [told["person"]],
        "pyynnot": told["requests"],
        "tapahtumat": events,
        "tekstit": texts,
        "viestit": told["messages"],
        "yhteydenotot": told["contact_messages"],
        "tietopyynnot": told["data_requests"],
    }


def table(rows: list[dict[str, Any]]) -> bytes:
    """Return rows as CSV that spreadsheets open as it is meant."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue().encode("utf-8-sig")  # without the mark, spreadsheets take ä for two letters


def _cell(value: Any) -> str:
    """A value as text that no spreadsheet takes for a formula, whatever somebody once typed as their name."""
    plain = "" if value is None else _plain(value)
    text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False, default=_plain)
    return FORMULA.sub("'", text)


def as_json(value: Mapping[str, Any]) -> bytes:
    """Return a value as a file for other programs; moments are written as the seal writes them."""
    return f"{json.dumps(value, ensure_ascii=False, indent=2, default=_plain)}\n".encode()


def _plain(value: Any) -> Any:
    return seal.timestamp(value) if isinstance(value, datetime) else value


def _page(held: PersonalData, origin: Origin) -> str:
    """The readable file, complete in itself: no style, picture or link from elsewhere is needed to read it."""
    language, controller = languages.language(held.person.language), origin.place.controller
    return (
        templates(language.code)
        .get_template("data/export.html.jinja")
        .render(
            held=held,
            company=controller,
            language=language,
            ombudsman=OMBUDSMAN_PAGE[language.code],
            public_url=origin.place.public_url,
            log_key=str(origin.verifiers.known[0]),
            numbers=held.numbers,
            proved=personal_data.proved(held, origin.verifiers),
            doors=DOORS,
            shown=SHOWN,
            messages=MESSAGES,
            rules=retention.RULES,
            channels=CHANNELS,
            reasons=LEAVING_REASONS,
            contact_reasons=REASONS,
            request_kinds=REQUEST_KINDS,
            claims=CLAIMS,
            origins=ORIGINS,
            there=held.there.state(forwards=origin.forwards),
            parts=holdings.TITLES,
            why_missing=holdings.REASONS,
            style=style(controller.accent),
        )
    )


def style(accent: str) -> Markup:
    """Return the style of a readable file, with the company's colour."""
    styles = "".join((design.SHEETS / name).read_text("utf-8") for name in STYLES)
    return Markup(design.sheet(accent) + styles)  # noqa: S704 - files of ours


@cache
def templates(code: str) -> Environment:
    """Return the templates of readable files in a language."""
    language = languages.language(code)
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals.update(_=language.say)
    found.filters.update(moment=language.moment, day=lambda day: language.day(datetime.fromisoformat(day).date()))
    return found
