"""How long the pages of staff take with very many people: every page that can be opened, one after another.

The server's time alone: the application answers in this process, without a network. `python -m bench.staff_pages`
runs it alone; with a folder the databases are kept there, since filling them takes minutes.
"""

import asyncio
import gc
import json
import re
import statistics
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import click
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, insert, select

from bench import report
from bench.ground import KINDS, ground
from bench.grown import grown
from bench.loading import loading
from bench.people import FIRST_NAMES, LAST_NAMES
from bench.rounds import Figures
from consent_service import breaches, schema
from consent_service import service as services
from consent_service.models.customers import customer, customer_document
from consent_service.models.inbox import contact_message
from consent_service.models.ledger import consent_event
from consent_service.models.newsletter import subscriber
from consent_service.models.watch import week
from consent_service.people import read_address
from consent_service.register.customers import search_text
from consent_service.service import Service
from consent_service.staff import staff_accounts
from consent_service.staff.staff_accounts import OWNER, Colleague
from consent_service.watch.weeks import SPAN
from consent_service.web import accounts, create_app

PEOPLE, CUSTOMERS, MESSAGES = 100_000, 20_000, 2_000
SHEETS = 400  # in a binder
WEEKS, TEN_YEARS, GONE = 30, timedelta(days=3660), 100  # so many customers are ten years passive
ADDRESS, PASSWORD = "heidi@keinuma.example", "a password for the bench only"
WARM, TIMES = 3, 20
P95 = 0.95
SEARCHES = ("subscribers?q=korhonen", "subscribers?status=active&page=900", "contact-messages?q=laine")
# Pages of which there are many: how one of them is chosen.
SAMPLES: dict[str, Callable[[Any], Any]] = {
    "subscriber_id": lambda connection: _busiest(connection),
    "customer_id": lambda connection: _first(connection, customer, customer.c.passive_since < _long_ago()),
    "message_id": lambda connection: _first(connection, contact_message),
    "breach_id": lambda connection: breaches.everything(connection)[0].row.id,
    "register": lambda connection: "subscribers",
    "key": lambda connection: _busiest(connection),
    "name": lambda connection: "subscribers",
}


def fill(service: Service, number: int, messages: int) -> None:
    """Add so many customers, each with a document, and contact messages; weeks, a breach, and somebody of staff."""
    now, chance = services.now(), Random(2)  # noqa: S311
    people = [_customer(chance, which, now) for which in range(number)]
    papers = [_document(one, which, now) for which, one in enumerate(people)]
    with loading(service.engine) as load:
        _load(load, customer.name, people)
        _load(load, customer_document.name, papers)
        _load(load, contact_message.name, [_message(chance, which, now) for which in range(messages)])
    monday = (now - timedelta(days=now.weekday())).date()
    rows = [
        {"monday": (monday - which * SPAN).isoformat(), "asked": 200, "confirmed": 150, "stopped": 20}
        for which in range(1, WEEKS)
    ]
    facts = {"noticed_at": now, "what": "x", "happened": "x", "kinds_of_data": "x", "people": 1}
    rest = {"consequences": None, "measures": None, "risk": "some", "risk_reason": None}
    with service.transaction() as connection:
        connection.execute(insert(week), rows)
        breaches.add(connection, now, breaches.Facts(**facts, **rest), "Heidi")  # type: ignore[arg-type]


def measure(service: Service) -> Figures:
    """Open every page of staff; milliseconds by page, and which could not be opened for want of a sample."""
    app = create_app(service)
    client = _logged_in(app, service)
    gc.freeze()  # as a web process does
    with service.reading() as connection:
        samples = {name: choose(connection) for name, choose in SAMPLES.items()}
    rules = [
        rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("console.") and "GET" in (rule.methods or ())
    ]
    open_ones = [rule for rule in rules if rule.arguments <= samples.keys()]
    places = {rule.rule: _filled(rule.rule, samples) for rule in open_ones}
    places |= {f"/staff/{search}": f"/staff/{search}" for search in SEARCHES}
    return {
        "people": _count(service, subscriber),
        "customers": _count(service, customer),
        "pages_ms": {rule: took for rule, place in places.items() if (took := _take(client, place))},
        "not_opened": sorted(rule.rule for rule in rules if rule not in open_ones),
    }


def _take(client: FlaskClient, place: str) -> Figures | None:
    """Milliseconds of one page, and of the processor for it; None when there is no such page just now."""
    took, worked = [], []
    for _ in range(WARM + TIMES):
        began, busy = time.perf_counter(), time.thread_time()
        answer = client.get(place, base_url="https://bench.example")
        took.append(1000 * (time.perf_counter() - began))
        worked.append(1000 * (time.thread_time() - busy))
        if answer.status_code != 200:
            return None
    return {"p50": statistics.median(took[WARM:]), "p95": _p95(took[WARM:]), "cpu_p95": _p95(worked[WARM:])}


def _p95(times: Sequence[float]) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * P95))]


def _logged_in(app: Flask, service: Service) -> FlaskClient:
    with app.app_context(), service.transaction() as connection:
        hashed = accounts.password_hash(PASSWORD)
        heidi = Colleague(read_address(ADDRESS), "Heidi", OWNER, "fi")
        staff_accounts.add(connection, heidi, hashed, services.now())
    client = app.test_client()
    at = {"base_url": "https://bench.example", "headers": {"Referer": "https://bench.example/staff/login"}}
    page = client.get("/staff/login", **at).text
    [token] = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', page)[:1]
    sent = {"email": ADDRESS, "password": PASSWORD, "csrf_token": token}
    answer = client.post("/staff/login", data=sent, **at)
    if answer.status_code != 302:
        raise click.ClickException(f"the login was refused: {answer.status_code}")
    return client


def _filled(rule: str, samples: dict[str, Any]) -> str:
    return re.sub(r"<(?:[^:>]+:)?(\w+)>", lambda found: str(samples[found[1]]), rule)


def _customer(chance: Random, which: int, now: datetime) -> dict[str, Any]:
    since = now - (TEN_YEARS if which < GONE else timedelta(days=chance.randrange(3000)))
    email = f"asiakas.{which}@example.com"
    row = {
        "id": str(uuid.UUID(bytes=chance.randbytes(16), version=4)),
        "number": 1001 + which,
        "kind": "consumer",
        "first_name": chance.choice(FIRST_NAMES),
        "last_name": chance.choice(LAST_NAMES),
        "phone": f"+3584{which:08}",
        "email": email,
        "email_key": email,
        "city": "Jyväskylä",
        "source": "phone",
        "language": "fi",
        "status": "passive" if which % 4 == 0 or which < GONE else "active",
        "created_at": since,
        "created_by": "Heidi",
        "changed_at": since,
    }
    passive = {"passive_since": since if row["status"] == "passive" else None}
    return row | passive | {"search_text": search_text(row, 1001 + which)}


def _document(one: dict[str, Any], which: int, now: datetime) -> dict[str, Any]:
    place = {"binder": f"Kansio {which // SHEETS + 1}", "page": str(which % SHEETS + 1)}
    kept = {"retention_class": "voucher", "keep_until": f"{now.year + 3}-12-31", **place}
    dated = {"kind": "invoice", "title": "Lasku", "dated_on": f"{now.year - 3}-05-05"}
    return {"id": one["id"], "customer_id": one["id"], **dated, **kept, "added_at": now, "added_by": "Heidi"}


def _message(chance: Random, which: int, now: datetime) -> dict[str, Any]:
    at, email = now - timedelta(hours=which), f"viesti.{which}@example.com"
    name = {"first_name": chance.choice(FIRST_NAMES), "last_name": chance.choice(LAST_NAMES)}
    closed = {"closed_at": at if which > 5 else None, "closed_by": "Heidi" if which > 5 else None}
    told = {"reason": "offer", "message": "Hei! " * 40, "language": "fi", "received_at": at, "sent_key": str(which)}
    key = str(uuid.UUID(bytes=chance.randbytes(16), version=4))
    return {"id": key, "email": email, "email_key": email, **name, **told, **closed}


def _load(load: Callable[..., None], table: str, rows: Sequence[dict[str, Any]]) -> None:
    load(table, tuple(rows[0]), [tuple(row.values()) for row in rows])


def _busiest(connection: Any) -> Any:
    """Somebody with as many events as anybody has."""
    events = select(consent_event.c.subscriber_id).where(consent_event.c.subscriber_id.is_not(None))
    most = events.group_by(consent_event.c.subscriber_id).order_by(func.count().desc()).limit(1)
    return connection.execute(most).scalar_one()


def _first(connection: Any, table: Any, *which: Any) -> Any:
    return connection.execute(select(table.c.id).where(*which).limit(1)).scalar_one()


def _long_ago() -> datetime:
    return services.now() - TEN_YEARS + timedelta(days=1)


def _count(service: Service, table: Any) -> int:
    with service.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


async def look(kind: str, folder: Path | None = None, people: int = PEOPLE, number: int = CUSTOMERS) -> Figures:
    """Measure on one kind of database."""
    async with ground(kind, folder / kind if folder else None) as here:
        service = grown(here, people)
        schema.upgrade(service.engine)
        if not _count(service, customer):
            fill(service, number, MESSAGES)
        return measure(service)


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--database", "kinds", type=click.Choice(KINDS), multiple=True, help="Default: both.")
@click.option("--people", default=PEOPLE, show_default=True)
@click.option("--customers", "number", default=CUSTOMERS, show_default=True)
def main(folder: Path | None, kinds: tuple[str, ...], people: int, number: int) -> None:
    """Open every page of staff with very many people in the database and print how long each took."""
    for kind in kinds or KINDS:
        found = asyncio.run(look(kind, folder, people, number))
        report.add("staff_pages", kind, found)
        click.echo(json.dumps({kind: found}, indent=1))


if __name__ == "__main__":
    main()
