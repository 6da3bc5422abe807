"""The file that whoever asked for their data gets (GDPR articles 15 and 20): newsletter, register and messages in one.

Of a subscriber it holds the whole of `data_package` in a folder, of a customer every document that is a file;
`asiakas.html` is the register for reading, the rest is for other programs. Nothing is made before the identity of
whoever asks is verified. Changes nothing.
"""

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Row

from consent_service import contact_messages, retention
from consent_service import language as languages
from consent_service.contact_messages import REASONS
from consent_service.delivery import suppression
from consent_service.delivery.suppression import Suppressed
from consent_service.earlier_list import import_rows
from consent_service.language import LANGUAGES, Language, mark
from consent_service.ledger.vault import Vault
from consent_service.notices import privacy_customers, purposes
from consent_service.notices.privacy import OMBUDSMAN_PAGE
from consent_service.people import key_of
from consent_service.register import customer_columns, documents, keeping
from consent_service.register import held as register_held
from consent_service.register.customers import KINDS, SOURCES, STATUSES
from consent_service.register.held import HeldCustomer
from consent_service.rights import data_package, personal_data, request_rows
from consent_service.rights.data_package import Origin
from consent_service.rights.personal_data import PersonalData
from consent_service.rights.request_acts import require_verified
from consent_service.rights.request_tasks import ACCESS, PORTABILITY
from consent_service.rights.request_tasks import KINDS as REQUEST_KINDS
from consent_service.staff import access_log

HANDED_OVER = (ACCESS, PORTABILITY)
NEWSLETTER_FOLDER = "uutiskirje/"
_REQUEST = (
    "number",
    "kind",
    "channel",
    "received_on",
    "name",
    "email",
    "phone",
    "wish",
    "deadline",
    "extension_reason",
    "identity",
    "identity_method",
    "outcome",
    "ground",
    "answer",
    "closed_on",
)
_MESSAGE = ("received_at", "first_name", "last_name", "email", "phone", "reason", "message", "language")
_WAITING = ("email", "first_name", "last_name", "language", "created_at", "invited_at", "contact_id")
_GIVEN = ("email", "first_name", "last_name", "language")
LABELS = customer_columns.COLUMNS | {
    "status": mark("Status"),
    "passive_since": mark("Passive since"),
    "restricted_at": mark("Use restricted since"),
    "restriction_reason": mark("Why the use is restricted"),
    "created_at": mark("In the register since"),
    "created_by": mark("Entered by"),
    "changed_at": mark("Last changed"),
}
WORDS = {"kind": KINDS, "source": SOURCES, "status": STATUSES, "language": LANGUAGES}


@dataclass(frozen=True)
class Held:
    """Everything held of whoever made a request; what is None is not known of them."""

    gathered_at: datetime
    person: PersonalData | None
    customer: HeldCustomer | None
    messages: tuple[dict[str, Any], ...]
    waiting: dict[str, Any] | None
    suppressed: Suppressed | None
    requests: tuple[dict[str, Any], ...]
    looks: tuple[dict[str, Any], ...]


def gather(connection: Connection, keys: Vault, request: Row[Any], now: datetime) -> Held:
    """Return everything held of whoever made a request; raises NotVerified before it is sure who that is."""
    require_verified(request)
    key = key_of(request.mail_to) if request.mail_to else None
    person = request.subscriber_id and personal_data.gather(
        connection, keys, request.subscriber_id, now, with_receipts=True
    )
    customer = register_held.gather(connection, request.customer_id) if request.customer_id else None
    messages = contact_messages.from_address(connection, key) if key else ()
    waiting = import_rows.find(connection, key) if key else None
    made = request_rows.of_person(connection, subscriber_id=request.subscriber_id, customer_id=request.customer_id)
    requests = {row.number: row for row in (*made, request)}.values()
    return Held(
        now,
        person or None,
        customer,
        tuple({name: getattr(row, name) for name in _MESSAGE} for row in messages),
        {name: getattr(waiting, name) for name in _WAITING} if waiting else None,
        suppression.find(connection, keys, key, now) if key else None,
        tuple(_request(connection, row) for row in requests),
        tuple(_looks(connection, request, [row.id for row in messages], [row.number for row in requests])),
    )


def _looks(
    connection: Connection, request: Row[Any], message_ids: Sequence[str], numbers: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """When somebody opened or changed any of it, or another program asked; not who (Court of Justice, C-579/21)."""
    things = [f"subscriber:{request.subscriber_id}", f"customer:{request.customer_id}"]
    things += [f"contact_message:{one}" for one in message_ids] + [f"data_request:{one}" for one in numbers]
    for one in access_log.about(connection, things):
        yield {"at": one.at, "kind": one.kind, "what": one.what}


def _request(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """What is known of a request, and what staff noted about it."""
    done = (task.note for task in request_rows.tasks(connection, row.number))
    return {name: getattr(row, name) for name in _REQUEST} | {"noted": list(filter(None, (row.identity_note, *done)))}


def package(
    held: Held,
    request: Row[Any],
    origin: Origin,
    reading: Callable[[], AbstractContextManager[Connection]],
    keys: Vault,
) -> Iterator[bytes]:
    """Return the zip for a request to see one's data or to take it along, piece by piece.

    Whoever asks to see it gets a copy of each document too (article 15(3)), read when its turn comes: together they may
    be larger than memory. The same data gives the same bytes.
    """
    require_verified(request)
    if request.kind == PORTABILITY:
        return data_package.pack(list(_portable(held)), held.gathered_at)
    made = list(_everything(held, request, origin))
    return data_package.pack(chain(made, _documents(held, reading, keys)), held.gathered_at)


def _everything(held: Held, request: Row[Any], origin: Origin) -> Iterable[tuple[str, bytes]]:
    yield "asiakas.html", _page(held, request, origin).encode()
    yield "asiakas.json", data_package.as_json(_told(held))
    if held.person is not None:
        with zipfile.ZipFile(io.BytesIO(data_package.package(held.person, origin))) as inner:
            for name in inner.namelist():
                yield NEWSLETTER_FOLDER + name, inner.read(name)


def _documents(
    held: Held, reading: Callable[[], AbstractContextManager[Connection]], keys: Vault
) -> Iterator[tuple[str, bytes]]:
    for name, row in held.customer.files.items() if held.customer else ():
        with reading() as connection:
            content = documents.content(connection, keys, row)
        yield name, content


def _portable(held: Held) -> Iterable[tuple[str, bytes]]:
    """What the person gave us themselves, on the ground of consent or a contract, in forms that programs read."""
    given: dict[str, list[dict[str, Any]]] = {}
    if held.person is not None:
        given["uutiskirje"] = [{name: getattr(held.person.person, name) for name in _GIVEN}]
    if held.customer is not None:
        given["asiakas"] = [held.customer.given]
    given["yhteydenotot"] = list(held.messages)
    yield "tiedot.json", data_package.as_json(given)
    for table, rows in given.items():
        if rows:
            yield f"{table}.csv", data_package.table(rows)


def _told(held: Held) -> dict[str, Any]:
    customer = held.customer
    return {
        "gathered_at": held.gathered_at,
        "customer": customer.details if customer else None,
        "former_numbers": list(customer.former_numbers) if customer else [],
        "kept": customer.kept if customer else None,
        "imported_rows": list(customer.rows) if customer else [],
        "documents": list(customer.documents) if customer else [],
        "publication_permissions": list(customer.permissions) if customer else [],
        "contact_messages": list(held.messages),
        "earlier_list": held.waiting,
        "suppression": asdict(held.suppressed) if held.suppressed else None,
        "data_requests": list(held.requests),
        "looks": list(held.looks),
    }


def _page(held: Held, request: Row[Any], origin: Origin) -> str:
    """The readable page, complete in itself; in the language of the request."""
    language, controller = languages.language(request.language), origin.place.controller
    return (
        data_package.templates(language.code)
        .get_template("data/customer.html.jinja")
        .render(
            held=held,
            request=request,
            company=controller,
            language=language,
            ombudsman=OMBUDSMAN_PAGE[language.code],
            labels=LABELS,
            words=WORDS,
            request_kinds=REQUEST_KINDS,
            contact_reasons=REASONS,
            document_kinds=keeping.KINDS,
            purposes=_purposes(held, language),
            accounting=privacy_customers.accounting(language.say),
            rules=retention.RULES,
            recipients=controller.recipient,
            style=data_package.style(controller.accent),
        )
    )


def _purposes(held: Held, language: Language) -> list[str]:
    """What the data on the page is for; the folder of the newsletter tells that of its own."""
    told = {"newsletter": held.waiting, "contact": held.messages, "refusals": held.suppressed, "rights": held.requests}
    names = {name for name, rows in told.items() if rows}
    names |= set(privacy_customers.purposes(language.say)) if held.customer else set()
    return [words for name, words in purposes.purposes(language).items() if name in names]
