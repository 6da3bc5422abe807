"""Staff pages for two customers who are one: choose the other, look at both side by side, and merge them.

What is the same in both stays; of what differs, staff choose. Contains no rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, abort, g, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_security import current_user
from sqlalchemy import Row

from consent_service import language as languages
from consent_service.language import LANGUAGES, mark
from consent_service.ledger.vault import VaultRefused
from consent_service.register import customers as register
from consent_service.register import duplicates, entries, merging
from consent_service.register.customers import COMPANY, COMPANY_ONLY, KINDS, SOURCES, Details
from consent_service.register.merging import Merging
from consent_service.web.accounts import by_staff
from consent_service.web.console.customer_form import DETAILS, LONGEST_NOTES, details_of
from consent_service.web.console.customers import find
from consent_service.web.pages import link_to
from consent_service.web.visitor import service

customer_merging = Blueprint("customer_merging", __name__, url_prefix="/customers/<uuid:customer_id>/merge")

FIRST, SECOND, BOTH = "first", "second", "both"
PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "kind": (mark("Kind of customer"), ("kind",)),
    "company_name": (mark("Company name"), ("company_name",)),
    "business_id": (mark("Business id"), ("business_id",)),
    "name": (mark("First and last name"), ("first_name", "last_name")),
    "phone": (mark("Phone number"), ("phone",)),
    "email": (mark("E-mail address"), ("email",)),
    "place": (mark("Postal address"), ("street", "postal_code", "city", "country")),
    "einvoice": (mark("E-invoice"), ("einvoice_address", "einvoice_operator")),
    "billing": (mark("Billing"), ("billing_email", "billing_address", "billing_reference")),
    "source": (mark("Where the data came from"), ("source", "source_note")),
    "language": (mark("Language"), ("language",)),
    "notes": (mark("Notes"), ("notes",)),
}
NO_SUCH_NUMBER = mark("There is no other customer with this number.")
NOT_CHOSEN = mark("Choose one of the two for each.")
NO_NAME = mark("A company needs its name, and a consumer a last name: choose the one that has it.")
CHANGED = mark("One of the two has been changed meanwhile, or may not be used. Look at both again.")


@dataclass(frozen=True)
class Part:
    """What is known of both in one matter; `preferred` is what most would choose."""

    key: str
    label: str
    first: str
    second: str
    preferred: str

    @property
    def differs(self) -> bool:
        """Whether somebody has to choose."""
        return self.first != self.second


@customer_merging.get("")
def show_others(customer_id: Any) -> ResponseReturnValue:
    """Who may be the same customer; or another one, by number."""
    customer, number, trouble = find(customer_id), request.args.get("number", "").strip(), None
    with service().reading() as connection:
        alike = duplicates.similar(connection, details_of(customer), but=customer.id)
        other = register.of_number(connection, number) if number else None
    g.about = [f"customer:{one}" for one in (customer.id, *(another.customer.id for another in alike))]
    if other is not None and other.id != customer.id:
        return redirect(link_to("console.customer_merging.show", customer_id=customer.id, other_id=other.id))
    if number:
        trouble = NO_SUCH_NUMBER
    page = render_template(
        "console/customer_merge_with.html", customer=customer, alike=alike, number=number[:20], trouble=trouble
    )
    return page, 400 if trouble else 200


@customer_merging.get("/<uuid:other_id>")
def show(customer_id: Any, other_id: Any) -> ResponseReturnValue:
    """Both side by side."""
    return _page(*_pair(customer_id, other_id), {})


@customer_merging.post("/<uuid:other_id>")
def merge(customer_id: Any, other_id: Any) -> ResponseReturnValue:
    """Make one of the two, as it was chosen."""
    first, second = _pair(customer_id, other_id)
    chosen = request.form
    if not _is_complete(first, second, chosen):
        return _page(first, second, chosen, NOT_CHOSEN), 400
    details = _details(first, second, chosen)
    if not (details.company_name if details.kind == COMPANY else details.last_name):
        return _page(first, second, chosen, NO_NAME), 400
    kept, gone = (first, second) if chosen["number"] == FIRST else (second, first)
    seen = {(first.id, _moment(chosen.get("seen_first"))), (second.id, _moment(chosen.get("seen_second")))}
    wanted = Merging(kept.id, gone.id, frozenset(seen), details)
    try:
        with service().transaction() as connection:
            is_done = merging.merge(connection, by_staff(), wanted, current_user.name)
    except VaultRefused:
        return render_template("console/customer_document_locked.html", customer=gone), 410
    if not is_done:
        return _page(*_pair(customer_id, other_id), chosen, CHANGED), 409
    return redirect(link_to("console.customers.show", customer_id=kept.id, did="merged"))


def _pair(customer_id: Any, other_id: Any) -> tuple[Row[Any], Row[Any]]:
    if customer_id == other_id:
        abort(404)
    return find(customer_id), find(other_id)


def _page(first: Row[Any], second: Row[Any], chosen: Mapping[str, str], trouble: str | None = None) -> str:
    return render_template(
        "console/customer_merge.html",
        first=first,
        second=second,
        parts=_parts(first, second),
        chosen=chosen,
        trouble=trouble,
        preferred_number=FIRST if first.number < second.number else SECOND,
        can_join_notes=bool(first.notes and second.notes) and len(_joined(first, second)) <= LONGEST_NOTES,
    )


def _parts(first: Row[Any], second: Row[Any]) -> Sequence[Part]:
    newer = FIRST if first.changed_at >= second.changed_at else SECOND
    found = []
    for key, (label, names) in PARTS.items():
        one, other = _words(first, names), _words(second, names)
        found.append(Part(key, label, one, other, newer if one and other else FIRST if one else SECOND))
    return found


def _words(row: Row[Any], names: Sequence[str]) -> str:
    """What is known of a customer in one matter, in words."""
    say = g.language.say
    special = {
        "kind": lambda kind: say(KINDS[kind]),
        "source": lambda source: say(SOURCES[source]),
        "language": lambda code: say(LANGUAGES[code]),
        "country": lambda country: languages.countries(g.language.code).get(country, country),
        "phone": entries.shown_phone,
    }
    values = [(name, getattr(row, name)) for name in names]
    return ", ".join(special.get(name, str)(value) for name, value in values if value)


def _is_complete(first: Row[Any], second: Row[Any], chosen: Mapping[str, str]) -> bool:
    needed = [part.key for part in _parts(first, second) if part.differs]
    return all(chosen.get(key) in (FIRST, SECOND, *([BOTH] if key == "notes" else [])) for key in [*needed, "number"])


def _details(first: Row[Any], second: Row[Any], chosen: Mapping[str, str]) -> Details:
    taken = {key: second if chosen.get(key) == SECOND else first for key in PARTS}
    values = {name: getattr(taken[key], name) for key, (_, names) in PARTS.items() for name in names}
    if chosen.get("notes") == BOTH:
        values["notes"] = _joined(first, second)[:LONGEST_NOTES]
    if values["kind"] != COMPANY:
        values |= dict.fromkeys(COMPANY_ONLY)
    known = (*DETAILS, "kind", "source", "language", "country")
    return Details(**{name: values[name] for name in known}, address=details_of(taken["email"]).address)


def _joined(first: Row[Any], second: Row[Any]) -> str:
    return f"{first.notes}\n\n{second.notes}"


def _moment(text: str | None) -> datetime:
    try:
        return datetime.fromisoformat(text or "")
    except ValueError:
        abort(400)
