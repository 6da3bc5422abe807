"""The records of processing activities (GDPR article 30), made from what the service itself goes by.

Purposes and grounds are those of the privacy statement, times those of the retention table, recipients those of the
controller file: nothing is written here that stands elsewhere. What no register claims is listed with the service
itself, so that a new rule or purpose cannot be left out. Reads no file, asks no database.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from consent_service.language import Language, mark
from consent_service.notices import privacy, purposes
from consent_service.notices.privacy import Kept, Sources

LINK = re.compile(r"\[([^\]]+)\]\(/[a-z-]+\)")  # the statement leads to pages of ours
REGISTERS = (
    # A register, whose data it holds, the names of its purposes, and the keys of its retention rules.
    (
        mark("Newsletter"),
        mark("Subscribers, who asks to become one, and who was on an earlier newsletter list"),
        ("newsletter", "customers_newsletter", "tracking", "proof", "refusals"),
        (
            "active", "tracking", "unconfirmed", "import_row", "new_address", "passive", "tech", "held_there",
            "deleted_contact", "comparison", "stranger", "taken_off", "declined", "objected",
        ),
    ),
    (
        mark("Contact messages"),
        mark("Whoever writes with the contact form"),
        ("contact",),
        ("contact_message",),
    ),
    (
        mark("Customer register"),
        mark("Customers, and the contact persons of companies that are customers"),
        ("customer", "relationship", "accounting", "publication"),
        (
            "customer", "customer_import", "customer_import_batch", "voucher", "book", "contract", "consent_form",
            "document", "publication", "shredding",
        ),
    ),
    (
        mark("Cookie choices"),
        mark("Visitors of the company's web site"),
        ("cookies",),
        ("cookie_choice",),
    ),
)  # fmt: skip
SERVICE = (mark("The service itself"), mark("Whoever uses the service, and the company's own people who log in"))
MEASURES = (
    mark("Each of the company's people has a login of their own, for themselves alone."),
    mark(
        "What was asked and answered stands in a sealed log: a change or a missing entry is found by everybody who "
        "has an earlier seal."
    ),
    mark("What is no longer needed is erased every day by itself, as the times above say."),
    mark("Logs of the service hold no name, no address and no key."),
    mark("Backups are encrypted, and each is opened again when it is made."),
)


@dataclass(frozen=True)
class Activity:
    """A register: whose data it holds, what for and on what ground, and which data for how long."""

    name: str
    people: str
    purposes: Sequence[str]
    rules: Sequence[Kept]


def activities(language: Language, sources: Sources) -> list[Activity]:
    """Return every register, and last what belongs to none."""
    said = {name: LINK.sub(r"\1", words) for name, words in purposes.purposes(language).items()}
    rules = {rule.key: rule for rule in sources.rules}
    found = [
        Activity(
            language.say(name),
            language.say(people),
            [said.pop(purpose) for purpose in its_purposes],
            [rules.pop(key) for key in keys],
        )
        for name, people, its_purposes, keys in REGISTERS
    ]
    name, people = map(language.say, SERVICE)
    return [*found, Activity(name, people, list(said.values()), list(rules.values()))]


def measures(language: Language, sources: Sources) -> list[str]:
    """Return how data is kept safe (articles 30(1)(g) and 32(1))."""
    return [
        privacy.security(language),
        *map(language.say, MEASURES),
        privacy.backups(language, sources.controller.backups_kept_days),
        language.say(privacy.TECHNICAL[sources.evidence_ip]),
    ]
