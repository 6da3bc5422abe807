"""How long everything is kept, and why: one table from which the purge, every page and every letter are made.

A rule says in words what is kept, how long and what for; where its time runs out by itself, it also says which rows
are due and how they end. The purge works in slices, each a transaction of its door's. Must not commit or read a clock.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, update

from consent_service import api_answers, contact_messages, cookie_choices
from consent_service import erasure as erasing
from consent_service.earlier_list import import_rows
from consent_service.language import HELSINKI, mark
from consent_service.ledger.evidence import Occasion
from consent_service.limits import proof_of_work
from consent_service.models.activecampaign import deleted_contact, held_there, taken_off
from consent_service.models.api import api_answer
from consent_service.models.comparison import reconcile_run
from consent_service.models.delivery import outbox_message
from consent_service.models.earlier_list import import_row
from consent_service.models.inbox import contact_message
from consent_service.models.ledger import consent_event
from consent_service.models.limits import allowance, spent_proof
from consent_service.models.newsletter import confirmation, erasure, subscriber
from consent_service.models.newsletter import suppression as suppressed
from consent_service.models.requests import data_request
from consent_service.models.site import cookie_choice
from consent_service.models.staff import access, staff
from consent_service.register import customer_rules as register
from consent_service.retention_rule import End, Rule, delete_by, gone_by
from consent_service.rights import request_rows
from consent_service.staff import access_log, staff_accounts
from consent_service.watch import pulses

PURGE, NOON = "purge", time(12, tzinfo=HELSINKI)  # what the day's purge is noted as, and when it is to be done
LONGEST_PURGE_GAP = timedelta(days=2)
ALARM = timedelta(days=360)  # nobody may stay passive for a year: then something has kept the purge from its work


def due(connection: Connection, rule: Rule, now: datetime, at_most: int | None = None) -> int:
    """Return how many rows the purge would end now; counted no further than `at_most`, if that is given."""
    if rule.end is None:
        return 0
    some = select(rule.end.column).where(_is_due(rule, rule.end, now))
    if at_most is not None:
        some = some.order_by(rule.end.since).limit(at_most)  # as the purge finds them: whoever sorts walks an index
    return connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()


def coming(connection: Connection, rule: Rule, now: datetime, ahead: timedelta, at_most: int) -> int:
    """Return how many rows the purge would end within a time besides those due now, counted up to `at_most`."""
    already = due(connection, rule, now, at_most)
    return due(connection, rule, now + ahead, already + at_most) - already


def purge_due(connection: Connection, occasion: Occasion, rule: Rule, limit: int) -> int:
    """End at most `limit` rows that are due by a rule (GDPR article 5(1)(e)), and return how many it were."""
    if rule.end is None:
        return 0
    found = select(rule.end.column).where(_is_due(rule, rule.end, occasion.now)).order_by(rule.end.since)
    keys = connection.execute(found.limit(limit).with_for_update(skip_locked=True)).scalars().all()
    rule.end.do(connection, occasion, rule.key, keys)
    return len(keys)


def overdue(connection: Connection, now: datetime) -> int:
    """Return how many people have been passive for so long that the promise to erase them is about to break."""
    late = (subscriber.c.status == "passive", subscriber.c.passive_since <= now - ALARM, _is_free())
    return connection.execute(select(func.count()).select_from(subscriber).where(*late)).scalar_one()


def lateness(connection: Connection, rule: Rule, now: datetime) -> timedelta | None:
    """Return for how long the oldest row that a rule ends has been due; None where no index tells."""
    if rule.end is None or rule.end.since is None or rule.after is None:
        return None
    oldest = select(rule.end.since).where(_is_due(rule, rule.end, now)).order_by(rule.end.since).limit(1)
    at = connection.execute(oldest).scalar_one_or_none()
    return now - rule.after - at if at else timedelta(0)


def purged_at(connection: Connection) -> datetime | None:
    """Return when the last purge was done, at noon or by hand; None before the first."""
    day = pulses.done_on(connection, PURGE)
    noon = datetime.combine(date.fromisoformat(day), NOON) if day else None
    noted = pulses.last(connection, PURGE)  # earlier versions noted the day alone
    return max((at for at in (noon, noted) if at), default=None)


def is_purge_late(connection: Connection, now: datetime) -> bool:
    """Whether the last purge is so long ago that something keeps it from being done."""
    at = purged_at(connection)
    return at is not None and now - at > LONGEST_PURGE_GAP


def _is_due(rule: Rule, end: End, now: datetime) -> Any:
    return end.is_due(now, rule.after or timedelta(0))


def _is_free() -> Any:
    return subscriber.c.hold_reason.is_(None)


def _is_unconfirmed(now: datetime, after: timedelta) -> Any:
    return (subscriber.c.status == "pending") & (subscriber.c.asked_at <= now - after) & _is_free()


def _is_unconfirmed_address(now: datetime, after: timedelta) -> Any:
    return confirmation.c.email.is_not(None) & (confirmation.c.asked_at <= now - after)


def _has_waited(now: datetime, after: timedelta) -> Any:
    """Since they were brought over, or since it was decided to ask them: that is done a few at a time."""
    since = func.coalesce(import_row.c.invited_at, import_row.c.created_at)
    return (import_row.c.created_at <= now - after) & (since <= now - after)  # the former is what an index knows


def _has_been_passive(now: datetime, after: timedelta) -> Any:
    """Long enough; an open ask does not put the end off, or backups would keep the person for over a year."""
    return (subscriber.c.status == "passive") & (subscriber.c.passive_since <= now - after) & _is_free()


def _is_old_message(now: datetime, after: timedelta) -> Any:
    return (contact_message.c.received_at <= now - after) & contact_messages.is_free()


def _has_old_tech(now: datetime, after: timedelta) -> Any:
    held = select(subscriber.c.id).where(subscriber.c.id == consent_event.c.subscriber_id, ~_is_free())
    is_old = consent_event.c.tech_sealed.is_not(None) & (consent_event.c.recorded_at <= now - after)
    return is_old & ~held.exists()


def _erase(connection: Connection, occasion: Occasion, rule: str, keys: Sequence[Any]) -> None:
    erasing.erase_all(connection, occasion, keys, rule, tell=False)


def _forget_address(connection: Connection, occasion: Occasion, rule: str, keys: Sequence[Any]) -> None:
    forgotten = {"email": None, "email_key": None}
    connection.execute(update(confirmation).where(confirmation.c.id.in_(keys)).values(**forgotten))


def _forget_waiting(connection: Connection, occasion: Occasion, rule: str, keys: Sequence[Any]) -> None:
    import_rows.forget_overdue(connection, keys)


def _forget_messages(connection: Connection, occasion: Occasion, rule: str, keys: Sequence[Any]) -> None:
    contact_messages.forget_overdue(connection, keys)


def _close_tech(connection: Connection, occasion: Occasion, rule: str, keys: Sequence[Any]) -> None:
    connection.execute(update(consent_event).where(consent_event.c.id.in_(keys)).values(tech_sealed=None))


def _has_expired(now: datetime, after: timedelta) -> Any:
    return cookie_choice.c.expires_at <= now - after


def _forget_staff(connection: Connection, occasion: Occasion, rule: str, keys: Sequence[Any]) -> None:
    staff_accounts.forget(connection, keys)


def _forget_askers(connection: Connection, occasion: Occasion, rule: str, keys: Sequence[Any]) -> None:
    request_rows.forget(connection, occasion.now, keys)


RULES = (
    Rule(
        "active",
        mark("Your subscription: name, address, and the proof of your consent"),
        mark("as long as you subscribe"),
        mark("To send you the newsletter you asked for."),
    ),
    Rule(
        "tracking",
        mark("Which newsletters you open and what you press in them, recorded at ActiveCampaign if you permit it"),
        mark(
            "until your other data is erased; once you have taken the permission back, "
            "only opening a letter sent before that may add to it"
        ),
        mark("To learn what interests the readers, which you have permitted."),
    ),
    Rule(
        "unconfirmed",
        mark("A subscription that was not confirmed"),
        mark("14 days after the last request"),
        mark("It waits for your answer. Without one there is no reason to keep it."),
        timedelta(days=14),
        end=End(subscriber.c.id, _is_unconfirmed, _erase, subscriber.c.asked_at),
    ),
    Rule(
        "import_row",
        mark(
            "Name, address and number at ActiveCampaign from an earlier list of ours, "
            "if nobody can prove that you agreed to be on it"
        ),
        mark("until we ask you, and at most 90 days"),
        mark("To ask you whether you want the newsletter, or want to keep getting it if you get it already."),
        timedelta(days=90),
        end=End(import_row.c.id, _has_waited, _forget_waiting),
    ),
    Rule(
        "new_address",
        mark("A new address that its owner did not confirm"),
        mark("14 days after you asked for the change"),
        mark("It waits for an answer. Without one it may be a stranger's."),
        timedelta(days=14),
        end=End(confirmation.c.id, _is_unconfirmed_address, _forget_address, confirmation.c.asked_at),
    ),
    Rule(
        "passive",
        mark("Your subscription after you have stopped, and the proof of your consent"),
        mark("351 days after stopping, and never over a year"),
        mark("To show what you agreed to and that we stopped when you asked, and to let you come back."),
        timedelta(days=351),
        end=End(subscriber.c.id, _has_been_passive, _erase, subscriber.c.passive_since),
    ),
    Rule(
        contact_messages.RULE,
        mark("A message you sent with the contact form, with your name, address, phone number and reason"),
        mark("one year after you sent it"),
        mark("To answer you, and to look up what was said if the matter goes on or comes up again."),
        timedelta(days=365),
        end=End(contact_message.c.id, _is_old_message, _forget_messages, contact_message.c.received_at),
    ),
    Rule(
        "tech",
        mark("The network address, browser and mail server's answers noted with the proof"),
        mark("90 days"),
        mark("To find out about misuse and about messages that did not arrive."),
        timedelta(days=90),
        end=End(consent_event.c.id, _has_old_tech, _close_tech, consent_event.c.recorded_at),
    ),
    Rule(
        "held_there",
        mark("What ActiveCampaign holds about you, if you or our staff had it fetched"),
        mark("7 days after it was fetched"),
        mark("So that you have time to read and download it. What is there stays as it is."),
        timedelta(days=7),
        end=gone_by(held_there.c.subscriber_id, held_there.c.fetched_at),
    ),
    Rule(
        "departure",
        mark("The address of somebody whose data was erased"),
        mark("until ActiveCampaign has deleted the contact and you have our answer, usually within an hour"),
        mark("Without the address neither could be done."),
    ),
    Rule(
        "deleted_contact",
        mark("The number a deleted contact had at ActiveCampaign, and a code instead of its address"),
        mark("60 days"),
        mark("So that we notice when somebody restores the contact there, and have it deleted again."),
        timedelta(days=60),
        end=gone_by(deleted_contact.c.subscriber_id, deleted_contact.c.erased_at),
    ),
    Rule(
        "comparison",
        mark("What the nightly comparison with ActiveCampaign found, with the number of the contact there"),
        mark("90 days"),
        mark("To see that the two agree, and what was put right."),
        timedelta(days=90),
        end=gone_by(reconcile_run.c.id, reconcile_run.c.started_at),
    ),
    Rule(
        "stranger",
        mark("The address of a contact that is on the list at ActiveCampaign without permission"),
        mark("until it has been taken off the list there"),
        mark("So that nobody who subscribes at that moment is taken off."),
    ),
    Rule(
        "taken_off",
        mark(
            "A code instead of an address that we took off the list at ActiveCampaign ourselves, and its number there"
        ),
        mark("60 days"),
        mark("So that our taking it off the list there is not mistaken for your having left."),
        timedelta(days=60),
        end=gone_by(taken_off.c.address_hash, taken_off.c.undone_at),
    ),
    Rule(
        "allowance",
        mark("How often an address has asked for messages, under a code instead of the address"),
        mark("30 days after the last request"),
        mark("So that nobody can flood your mailbox through our form."),
        timedelta(days=30),
        end=gone_by(allowance.c.key, allowance.c.asked_at),
    ),
    Rule(
        "api_answer",
        mark("That another program of ours passed your wish on to us, under a code instead of what it said"),
        mark("24 hours"),
        mark("So that a wish passed on twice is carried out once."),
        api_answers.LIFETIME,
        end=gone_by(api_answer.c.key_hash, api_answer.c.created_at),
    ),
    Rule(
        "spent_proof",
        mark("That some browser solved a small task, under a random number, when unusually many forms were sent"),
        mark("24 hours"),
        mark("So that robots cannot send many forms with one solution. It is not joined to your name or address."),
        proof_of_work.REMEMBERED,
        end=gone_by(spent_proof.c.proof, spent_proof.c.spent_at),
    ),
    Rule(
        "declined",
        mark("The answer “I did not ask, do not write to me”, under a code instead of the address"),
        mark("one year"),
        mark("So that nobody else can have us ask you again. The address cannot be read from the code."),
        timedelta(days=365),
        end=End(
            suppressed.c.address_hash,
            lambda now, _: suppressed.c.until <= now,
            delete_by(suppressed.c.address_hash),
        ),
    ),
    Rule(
        "objected",
        mark("An objection to marketing, under a code instead of the address"),
        mark("for good"),
        mark(
            "So that we never send you a newsletter or other marketing again, whoever asks for it. "
            "The address cannot be read from the code."
        ),
    ),
    Rule(
        "cookie_choice",
        mark("What you chose about the cookies of our web site, under a random number that is in your browser"),
        mark("as long as the choice holds, and a year after that; or until you erase it on the page Cookies"),
        mark("To show what you were told and what you answered. It is not joined to your name, address or network."),
        timedelta(days=365),
        end=End(cookie_choice.c.event_id, _has_expired, cookie_choices.forget, cookie_choice.c.expires_at),
    ),
    Rule(
        access_log.RULE,
        mark("Who of our staff, or which program of ours, opened or changed your data and when, under random numbers"),
        mark("five years"),
        mark("To find out, if you ask, whether somebody looked without a reason."),
        timedelta(days=5 * 365 + 1),
        end=End(
            access.c.event_id, lambda now, after: access.c.noted_at <= now - after, access_log.forget, access.c.noted_at
        ),
    ),
    Rule(
        staff_accounts.RULE,
        mark("The account of somebody who has left our staff: name and address"),
        mark("five years after it ended"),
        mark("To tell who is meant by the numbers in the log of who opened what."),
        timedelta(days=5 * 365 + 1),
        end=End(staff.c.id, lambda now, after: staff.c.ended_at <= now - after, _forget_staff, staff.c.ended_at),
    ),
    Rule(
        "outbox",
        mark("The list of messages that were sent, without their content"),
        mark("30 days after sending"),
        mark("To find out what happened when a message is missed."),
        timedelta(days=30),
        end=gone_by(outbox_message.c.id, outbox_message.c.done_at),
    ),
    Rule(
        "erasure",
        mark("A note that an erasure was done, under a random number, without name or address"),
        mark("three years"),
        mark("To show that it was done, and to do it again if a backup ever has to be restored."),
        timedelta(days=3 * 365 + 1),
        end=gone_by(erasure.c.subscriber_id, erasure.c.erased_at),
    ),
    Rule(
        request_rows.NAMES_RULE,
        mark("Who made a request about their data: name, address, phone number, and what was written about it"),
        mark(
            "30 days after our answer; if everything was to be erased and the answer went by e-mail, "
            "until it has left, at most a day"
        ),
        mark("To answer you, and to go on if you have questions about the answer."),
        timedelta(days=30),
        end=End(data_request.c.number, request_rows.may_be_forgotten, _forget_askers, data_request.c.closed_at),
    ),
    Rule(
        request_rows.RULE,
        mark("That a request about data was made and answered: its number, kind and days, and what was done, no name"),
        mark("three years after our answer"),
        mark("To show that requests are answered in time and carried out."),
        timedelta(days=3 * 365 + 1),
        end=gone_by(data_request.c.number, data_request.c.closed_at),
    ),
    Rule(
        "leaf",
        mark("An empty entry in the sealed log: a random number, a time and two checksums"),
        mark("for good"),
        mark("So that nobody can change the log unnoticed. Nothing about you can be read from it."),
    ),
    *register.RULES,
)

BY_KEY = {rule.key: rule for rule in RULES}
