"""The doctor: tries everything the service leans on and says, in one line each, what is wrong and what to do.

Asks the mail server, ActiveCampaign and the database as the service would. Changes nothing, except at ActiveCampaign
when it is told to set the account up (`activecampaign/account_setup`). Contains no rule.
"""

import re
import smtplib
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Row, func, select
from sqlalchemy.exc import SQLAlchemyError

from consent_service import chores, config, retention, rotation, schema
from consent_service import service as services
from consent_service.activecampaign import account_setup, own_link, renewal
from consent_service.activecampaign.account_setup import SetupRefused
from consent_service.activecampaign.calls import Ended
from consent_service.activecampaign.pacing import CallBudget, Unpaced
from consent_service.config import Settings
from consent_service.delivery.lanes import lane_states, served
from consent_service.delivery.mail import FolderMail, NotEncrypted
from consent_service.delivery.outbox import Retry
from consent_service.language import CODES, day_of, language
from consent_service.ledger import evidence, sealer
from consent_service.ledger.checkpoint import CheckpointRefused
from consent_service.ledger.vault import VaultRefused
from consent_service.limits import rate_limit
from consent_service.models.ledger import consent_event
from consent_service.notices import privacy, privacy_check
from consent_service.rights import request_rows
from consent_service.service import Service
from consent_service.watch import connection_state, pulses

MARKS = {"good": "✓", "note": "•", "wrong": "✗"}
SET_UP = "run: consent-service doctor --setup"
LONGEST_WAIT_S = 60
CLOCK_SKEW = timedelta(minutes=2)


@dataclass(frozen=True)
class Finding:
    """What one check found: the part looked at, `good`, `note` or `wrong`, and a sentence."""

    part: str
    state: str
    says: str


def examine(service: Service) -> list[Finding]:
    """Return what every check found; what is merely broken is a finding, not an exception."""
    database_state = _database(service)
    is_usable = database_state.state == "good"
    findings = [_settings(service), _mail(service), _activecampaign(service, has_database=is_usable)]
    if service.settings.redis_url:
        findings.append(_limits(service))
    if not is_usable:
        return [*findings, database_state]
    checks: list[Callable[[Service], Finding]] = [
        _keys,
        _clock,
        _queue,
        _comparison,
        _log,
        _backup,
        _statement,
        _retention,
        _requests,
    ]
    return [*findings, database_state, *(check(service) for check in checks)]


def _settings(service: Service) -> Finding:
    settings = service.settings
    if unread := config.unread_variables():
        told = [f"{name} means nothing" + (f", is it {near}?" if near else "") for name, near in unread.items()]
        return Finding("settings", "wrong", "; ".join(told))
    if settings.is_development:
        return Finding("settings", "note", "development mode; for real use set CONSENT_MODE=production")
    if notes := [*_counted_wrongly(settings)]:
        return Finding("settings", "note", "; ".join(notes))
    return Finding("settings", "good", f"production; links begin with {settings.public_url}")


def _counted_wrongly(settings: Settings) -> Iterator[str]:
    if settings.web_processes > 1 and not settings.redis_url:
        yield "several web processes count networks apart; set CONSENT_REDIS_URL to count together"
    if settings.trusted_proxies == 0:  # somebody in front speaks https, which we do not
        yield "all visitors count as one network; set CONSENT_TRUSTED_PROXIES to the number of proxies in front"


def _limits(service: Service) -> Finding:
    if not rate_limit.answers(service.settings.redis_url):
        says = "no answer from Redis; each web process counts networks alone; check CONSENT_REDIS_URL"
        return Finding("limits", "wrong", says)
    return Finding("limits", "good", "Redis answers; all web processes count networks together")


def _mail(service: Service) -> Finding:
    mailer = service.mailer()
    if isinstance(mailer, FolderMail):
        return Finding("mail", "note", "no SMTP server; mails are written to var/mail and read at /dev/mail")
    try:
        mailer.check()
    except smtplib.SMTPAuthenticationError:
        return Finding("mail", "wrong", "the server refused the user or password in CONSENT_SMTP_URL")
    except NotEncrypted:
        says = "the server offers no STARTTLS, and the password is never sent in plain"
        return Finding("mail", "wrong", f"{says}; write smtps:// in CONSENT_SMTP_URL, or another port")
    except smtplib.SMTPNotSupportedError as error:
        missing = "login" if "AUTH" in str(error) else "STARTTLS"
        return Finding("mail", "wrong", f"the server offers no {missing}, which CONSENT_SMTP_URL requires")
    except (smtplib.SMTPException, OSError) as error:
        return Finding("mail", "wrong", f"no connection ({type(error).__name__}); check CONSENT_SMTP_URL and its port")
    if service.settings.smtp_url.startswith("smtp://") and "starttls=required" not in service.settings.smtp_url:
        return Finding("mail", "note", "the SMTP server answers; add ?starttls=required so that it is never in plain")
    return Finding("mail", "good", "the SMTP server answers")


def _activecampaign(service: Service, *, has_database: bool) -> Finding:
    if not service.forwards:
        return Finding("ActiveCampaign", "note", "not configured; confirmed people wait in the outbox")
    budget = _budget(service) if has_database else Unpaced()
    with closing(service.calls(budget)) as calls:
        trouble = service.account(calls).check()
    if trouble:
        return Finding(
            "ActiveCampaign", "wrong", f"{_bare(trouble)}; check CONSENT_ACTIVECAMPAIGN_URL, _TOKEN and _LIST_ID"
        )
    try:
        notes = [*_unheard(service), *_lacks(service, budget, has_database=has_database)]
    except Ended as ended:
        says = f"{_bare(str(ended))}, when asked what is set up there; {_advice(ended)}"
        return Finding("ActiveCampaign", "wrong", says)
    if notes:
        return Finding("ActiveCampaign", "note", f"address, key and list are right; {'; '.join(notes)}")
    return Finding("ActiveCampaign", "good", "address, key and list are right, and all is set up there")


def _unheard(service: Service) -> Iterator[str]:
    """Why nothing is heard from there, where the settings are the reason."""
    if not service.settings.activecampaign_webhook_secret:
        yield "set CONSENT_ACTIVECAMPAIGN_WEBHOOK_SECRET to hear of who leaves there"
    elif not service.wanted_there().hears:
        yield "CONSENT_PUBLIC_URL has to be https on port 443 for a webhook, to hear of who leaves there"


def _lacks(service: Service, budget: CallBudget | Unpaced, *, has_database: bool) -> Iterator[str]:
    """What a set-up would do; raises Ended."""
    with closing(service.calls(budget)) as calls:
        lacks = account_setup.missing(calls, service.wanted_there())
        field = own_link.find_field(calls) if has_database and not lacks else None
    if lacks:
        yield f"missing there: {', '.join(lacks)}; {SET_UP}"
    elif field and (people := _without_link(service, service.own_links.mark(field.id))):
        yield f"{many(people, 'person has', 'people have')} no unsubscribe link of today there; {SET_UP}"


def _without_link(service: Service, mark: str) -> int:
    with service.reading() as connection:
        return renewal.lacking(connection, mark)


def set_up(service: Service, show: Callable[[int, Iterator[int]], None]) -> Finding:
    """Make what the account at ActiveCampaign lacks, and have people's own links brought there; safe to repeat.

    `show(people, slices)` goes through the slices in which the people are put into the outbox.
    """
    if not service.forwards:
        return Finding("setup", "wrong", "set CONSENT_ACTIVECAMPAIGN_URL, _TOKEN and _LIST_ID first")
    if (database_state := _database(service)).state != "good":
        return Finding("setup", "wrong", f"the database: {database_state.says}")
    done: list[str] = []
    try:
        with closing(service.calls(_budget(service))) as calls:
            if trouble := service.account(calls).check():  # or a mistyped number would turn the webhook to another list
                return Finding("setup", "wrong", f"nothing was changed: {trouble}; check the settings, then {SET_UP}")
            for step in account_setup.set_up(calls, service.wanted_there()):
                done.append(step)  # one by one: what was done before a refusal is said too
            field = own_link.find_field(calls)
    except (Ended, SetupRefused) as refused:
        return Finding("setup", "wrong", "; ".join([*done, f"{refused}; {_advice(refused)}"]))
    mark = service.own_links.mark(field.id) if field else ""
    if people := _without_link(service, mark) if field else 0:
        show(people, chores.renew_links(service, mark))
        done.append(f"{many(people, 'person gets', 'people get')} their own link there while the relay runs")
    return Finding("setup", "good", "; ".join(done) or "everything was there already")


def _budget(service: Service) -> CallBudget:
    return CallBudget(service.transaction, services.now, _wait)


def _wait(seconds: float) -> bool:
    """Wait for a turn, unless ActiveCampaign asked for a long pause: then say so instead of standing still."""
    if seconds > LONGEST_WAIT_S:
        raise Ended(Retry(f"ActiveCampaign asked for a pause of {seconds:.0f} s"))
    return threading.Event().wait(seconds)


def _advice(refused: Ended | SetupRefused) -> str:
    if "answered 401" in str(refused) or "answered 403" in str(refused):
        return f"if it stays so, the user of the key may not manage fields and webhooks there; then {SET_UP}"
    return f"then {SET_UP}; nothing is made twice"


def _database(service: Service) -> Finding:
    try:
        with service.reading() as connection:
            migrated, is_empty = schema.is_migrated(connection), not schema.tables(connection)
    except SQLAlchemyError as error:
        return Finding("database", "wrong", f"no answer ({type(error).__name__}); check CONSENT_DATABASE_URL")
    if is_empty:  # most likely another one was meant, and a service without anybody would be begun
        says = (
            "it is empty. If it should not be, correct CONSENT_DATABASE_URL; for a new one run: consent-service migrate"
        )
        return Finding("database", "wrong", says)
    if not migrated:
        return Finding("database", "wrong", "its form is not this version's; run: consent-service migrate")
    return Finding("database", "good", "answers, and has this version's form")


def _keys(service: Service) -> Finding:
    """Try one key that each data key has wrapped, of subscribers and of customers."""
    rows: list[Row[str, bytes]] = []
    with service.reading() as connection:
        for owner in rotation.OWNERS:
            wrapped = owner.table.c.wrapped
            name = func.substr(wrapped, 1, len(service.vault.newest))
            tried = select(owner, wrapped).where(owner.in_(select(func.min(owner)).group_by(name)))
            rows += connection.execute(tried).all()
    try:
        for whose, content in rows:
            service.vault.unwrap(content, whose)
    except VaultRefused:
        says = "CONSENT_DATA_KEYS lacks a key that evidence, or a customer's file, was written with; give it back"
        return Finding("keys", "wrong", says)
    in_use = len({content[: len(service.vault.newest)] for _, content in rows})
    return Finding("keys", "good", f"CONSENT_DATA_KEYS opens what it should ({in_use} in use)")


def _clock(service: Service) -> Finding:
    with service.reading() as connection:
        newest = connection.execute(select(func.max(consent_event.c.recorded_at))).scalar_one()
    if newest is not None and newest > services.now() + CLOCK_SKEW:
        return Finding("clock", "wrong", "the newest consent event lies in the future; set this machine's clock right")
    return Finding("clock", "good", f"{services.now():%Y-%m-%d %H:%M:%S} UTC")


def _statement(service: Service) -> Finding:
    texts, earlier = {code: service.privacy_text(language(code)) for code in CODES}, []
    with service.reading() as connection:
        for code, text in texts.items():
            for sha256, first_used_at in evidence.kept_versions(connection, privacy.KIND, code):
                if sha256 != text.sha256:
                    earlier.append(day_of(first_used_at))
    words = {code: text.content.decode() for code, text in texts.items()}
    looked = privacy_check.Looked(service.privacy_sources, words, earlier, service.forwards)
    if found := privacy_check.faults(looked):
        return Finding("statement", "wrong", "; ".join(found))
    place, company = f"{service.settings.public_url}/privacy", service.controller.name
    return Finding("statement", "good", f"the privacy statement of {company}, at {place}, says it all")


def _queue(service: Service) -> Finding:
    with service.reading() as connection:
        lanes = lane_states(connection)
    now = services.now()
    if dead := sum(lane.dead for lane in lanes):
        told = many(dead, "dead letter", "dead letters")
        return Finding("outbox", "wrong", f"{told}; look at {service.settings.public_url}/staff/queue")
    if any(lane.is_late(now) for lane in served(lanes, forwards=service.forwards)):
        return Finding("outbox", "wrong", "messages are overdue; is a relay running? Start: consent-service relay")
    return Finding("outbox", "good", many(sum(lane.undone for lane in lanes), "message waits", "messages wait"))


def _comparison(service: Service) -> Finding:
    with service.reading() as connection:
        state = connection_state.state(connection, lane_states(connection), forwards=service.forwards)
    faults, place = state.faults(services.now()), f"look at {service.settings.public_url}/staff/activecampaign"
    if connection_state.GIVEN_UP in faults and state.run:
        return Finding("comparison", "wrong", f"the last one was given up: {state.run.trouble}; {place}")
    if connection_state.OVERDUE in faults:
        since = f"{state.compared_at:%Y-%m-%d %H:%M} UTC"
        return Finding("comparison", "wrong", f"none has come to its end since {since}; is a relay running? {place}")
    if connection_state.HELD_BACK in faults:
        alone = many(sum(state.held_back.values()), "contact is", "contacts are")
        return Finding("comparison", "note", f"{alone} left alone until you look; {place}")
    if state.run is None:
        return Finding("comparison", "good", "none yet; the first comes the night after ActiveCampaign is connected")
    return Finding("comparison", "good", f"the last one began {state.run.started_at:%Y-%m-%d %H:%M} UTC")


def _log(service: Service) -> Finding:
    with service.reading() as connection:
        late, newest = sealer.is_late(connection, services.now()), sealer.newest(connection)
    file = service.anchors.path
    try:
        kept = service.anchors.newest()
    except CheckpointRefused as error:
        return Finding("log", "wrong", f"{file}: {error}; give back an unbroken copy")
    if newest and (kept is None or kept.checkpoint.size > newest.size):
        what = "is missing" if kept is None else "knows more events than the database: an older one was put back"
        return Finding("log", "wrong", f"{file} {what}; read docs/evidence.md and run: consent-service audit")
    if late:
        says = "events wait for their seal; is a relay running? If it is: consent-service seal says why"
        return Finding("log", "wrong", says)
    return Finding("log", "good", many(newest.size if newest else 0, "event is sealed", "events are sealed"))


def _backup(service: Service) -> Finding:
    with service.reading() as connection:
        made_at = pulses.last(connection, pulses.BACKUP)
    if made_at is None:
        return Finding("backup", "note", "none was made yet with: consent-service backup; docs/operations.md says how")
    when = f"the last good one is of {made_at:%Y-%m-%d %H:%M} UTC"
    if services.now() - made_at > pulses.LONGEST_BACKUP_GAP:
        return Finding("backup", "wrong", f"{when}; look why the daily one fails: consent-service backup FOLDER/")
    return Finding("backup", "good", when)


def _retention(service: Service) -> Finding:
    with service.reading() as connection:
        late, purged_at = retention.overdue(connection, services.now()), retention.purged_at(connection)
        is_late = retention.is_purge_late(connection, services.now())
    if late:
        still = many(late, "person who left is", "people who left are")
        return Finding("retention", "wrong", f"{still} still here after 360 days; run: consent-service purge")
    if purged_at is None:
        return Finding("retention", "good", "nothing was purged yet; the relay does it every day at noon")
    if is_late:
        says = f"no purge since {purged_at:%Y-%m-%d %H:%M} UTC; is a relay running? Run: consent-service purge"
        return Finding("retention", "wrong", says)
    return Finding("retention", "good", "nobody is kept longer than promised")


def _requests(service: Service) -> Finding:
    with service.reading() as connection:
        found = request_rows.alarms(connection, day_of(services.now()))
    place = f"look at {service.settings.public_url}/staff/data-requests"
    if found.late:
        return Finding("requests", "wrong", f"{many(found.late, 'request is', 'requests are')} late; {place}")
    if found.soon:
        due = many(found.soon, "request has", "requests have")
        return Finding("requests", "note", f"{due} to be answered within a week; {place}")
    return Finding("requests", "good", "no request about data is late")


def _bare(trouble: str) -> str:
    """Trouble with ActiveCampaign without its name, which stands before it as the part's."""
    return re.sub(r"^ActiveCampaign:? ", "", trouble)


def many(number: int, one: str, more: str) -> str:
    """Return a number with the noun that belongs to it."""
    return f"{number} {one if number == 1 else more}"
