"""What is missing from the privacy statement: each fault in one sentence that says what to do.

The law's list (GDPR articles 13, 14 and 21(4)) against the controller file and the very texts shown. It finds what
is not said; whether what is said is true, only the controller knows. Reads no file, asks no database, no clock.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from consent_service.controller import Controller
from consent_service.language import CODES, language
from consent_service.notices.privacy import OMBUDSMAN, OMBUDSMAN_MAIL, Sources

PROMISED = timedelta(days=365)  # whoever has left is gone within a year, backups included
UNTIL_PURGED = timedelta(days=1)  # it comes once a day, and the last backup before it may be that much younger
SENDER = "activecampaign"
WHO = ("name", "business_id", "street", "postal_code", "city", "contact_email")


@dataclass(frozen=True)
class Looked:
    """What is looked at: the statement of today in each language, and when each earlier one was first in use."""

    sources: Sources
    texts: Mapping[str, str]
    earlier: Sequence[date]
    forwards: bool


def faults(looked: Looked) -> list[str]:
    """Return every fault found, worst to be told first."""
    controller = looked.sources.controller
    checks = (_contact(controller), _dates(looked), _recipients(looked), _texts(looked), _times(looked))
    return [fault for found in checks for fault in found]


def _contact(controller: Controller) -> Iterator[str]:
    missing = [name for name in WHO if not getattr(controller, name).strip()]
    if missing:
        yield f"it does not say whom to turn to; fill in {', '.join(missing)} in the controller file"


def _dates(looked: Looked) -> Iterator[str]:
    first = looked.sources.controller.statement_first_published
    changed = looked.sources.controller.statement_changed
    missing = [
        name for name, day in (("statement_first_published", first), ("statement_changed", changed)) if day is None
    ]
    if missing:
        yield f"it does not say when it was written; set {' and '.join(missing)} in the controller file"
    if changed and looked.earlier and max(looked.earlier) > changed:
        yield (
            f"its words have changed after {max(looked.earlier)}, but it says {changed}; set statement_changed in the "
            "controller file to the day of the change"
        )


def _recipients(looked: Looked) -> Iterator[str]:
    recipients = looked.sources.controller.recipient
    if looked.forwards and not any(SENDER in one.name.lower() for one in recipients):
        yield "people go to ActiveCampaign, which it does not name; add a [[recipient]] to the controller file"
    for one in recipients:
        if one.is_outside_eea and not one.transfer_ground:
            yield (
                f"it does not say on what ground data goes to {one.name} outside the EEA (GDPR article 13(1)(f)); add "
                "[recipient.transfer_ground] to the controller file"
            )


def _texts(looked: Looked) -> Iterator[str]:
    for code in CODES:
        text = looked.texts.get(code, "")
        if OMBUDSMAN[code] not in text or OMBUDSMAN_MAIL not in text:
            yield f"in {code} it does not say where to complain (GDPR article 13(2)(d)); mend its text"
        untold = [rule.what for rule in looked.sources.rules if not _is_told(rule.what, code, text)]
        untold += [rule.period for rule in looked.sources.rules if not _is_told(rule.period, code, text)]
        if untold:
            yield f"in {code} it does not say how long is kept: {'; '.join(untold)}; translate and name each"


def _is_told(message: str, code: str, text: str) -> bool:
    said = language(code).say(message)
    return said in text and (code == "en" or said != message)


def _times(looked: Looked) -> Iterator[str]:
    kept_days = looked.sources.controller.backups_kept_days
    longest = max((rule.after for rule in looked.sources.rules if rule.key == "passive" and rule.after), default=None)
    most = (PROMISED - longest - UNTIL_PURGED).days if longest else kept_days
    if kept_days > most:
        yield (
            f"it promises that who has left is gone within a year, but backups are kept for {kept_days} days; set "
            f"backups_kept_days to at most {most}, and delete them by then"
        )
