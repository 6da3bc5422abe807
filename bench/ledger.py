"""What the evidence costs: appending beside a running sealer, sealing and proving in a large log, auditing.

Run with `make bench`. Compares within one run and prints ratios; absolute figures drift between machines.
"""

import secrets
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy import Connection, insert, select

from consent_service import database
from consent_service.ledger import audit, evidence, merkle, seal, sealer, tiles
from consent_service.ledger.anchors import Anchors
from consent_service.ledger.checkpoint import Signer
from consent_service.ledger.evidence import Occasion
from consent_service.ledger.vault import Vault
from consent_service.models import checkpoint, consent_event, subscriber

APPENDED = 2000
LARGE = 1_000_000
BATCH = 1000
AUDITED = 100_000
EVENTS_EACH = 4
SIGNER = Signer("bench.example/consent-log", bytes(32))
VAULT = Vault([bytes(32)])
NAMES = {"first_name": "Aino", "last_name": "Mäkelä", "language": "fi"}
ASK = "0" * 32
CORE = NAMES | {
    "kind": "requested",
    "confirmation": ASK,
    "email": "aino@example.com",
    "texts": {"consent": "0" * 64},
    "source": "form",
}
TECH = {"ip": "192.0.2.0/24", "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}


def main() -> None:
    """Run every measurement in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        appending(Path(folder) / "append")
        large_log(Path(folder) / "large")
        auditing(Path(folder) / "audit")


def appending(folder: Path) -> None:
    """One durable transaction an event, beside a sealer, against bare inserts of rows of the same size."""
    engine, anchors = _open(folder)
    with database.transaction(engine) as connection:
        _add_people(connection, 1)
    bare = _per_second(lambda: _insert_bare(engine), APPENDED)
    alone = _per_second(lambda: _append(engine), APPENDED)
    stop = threading.Event()
    sealing = threading.Thread(target=_seal_until, args=(engine, anchors, stop))
    sealing.start()
    beside = _per_second(lambda: _append(engine), APPENDED)
    stop.set()
    sealing.join()
    _say("bare inserts of the same size", f"{bare:,.0f} a second")
    _say("events appended, nobody sealing", f"{alone:,.0f} a second, {alone / bare:.2f} of bare")
    _say("events appended beside the sealer", f"{beside:,.0f} a second, {beside / bare:.2f} of bare")


def large_log(folder: Path) -> None:
    """Sealing 1,000 events in a log of a million, and proofs in it, against a small log."""
    small = _seal_and_prove(folder / "small", BATCH)
    large = _seal_and_prove(folder / "million", LARGE)
    for what, one, other in zip(("sealing 1,000 events", "one proof"), small, large, strict=True):
        _say(f"{what} in a log of {LARGE:,}", f"{other * 1000:.2f} ms, {other / one:.2f} of that in one of {BATCH:,}")


def auditing(folder: Path) -> None:
    """The whole audit, and that it is silent."""
    engine, anchors = _open(folder)
    with database.transaction(engine) as connection:
        people = _add_people(connection, AUDITED // EVENTS_EACH)
        with click.progressbar(people, label=f"Writing {AUDITED:,} events", file=sys.stderr) as bar:
            for person in bar:
                for _ in range(EVENTS_EACH):
                    _append_event(connection, person)
        sealer.seal(connection, SIGNER, anchors, _now())
    began = time.perf_counter()
    with database.snapshot(engine) as connection:
        findings = audit.audit(connection, VAULT, SIGNER.verifier, [], _now())
    took = time.perf_counter() - began
    _say(f"audit of {AUDITED:,} events", f"{AUDITED / took:,.0f} events a second, {len(findings)} findings")


def _seal_and_prove(folder: Path, size: int) -> tuple[float, float]:
    engine, anchors = _open(folder)
    with database.transaction(engine) as connection:
        _fill(connection, size)
    took = []
    for _ in range(5):
        with database.transaction(engine) as connection:
            _insert_events(connection, BATCH, None)
        began = time.perf_counter()
        with database.transaction(engine) as connection:
            sealed = sealer.seal(connection, SIGNER, anchors, _now())
        took.append(time.perf_counter() - began)
    proofs = []
    with database.reading(engine) as connection:
        for _ in range(200):
            began = time.perf_counter()
            index = secrets.randbelow(sealed.size)
            merkle.inclusion(index, sealed.size, tiles.reader(connection))
            proofs.append(time.perf_counter() - began)
    engine.dispose()
    return statistics.median(took), statistics.median(proofs)


def _fill(connection: Connection, size: int) -> None:
    with click.progressbar(range(0, size, 10_000), label=f"Writing {size:,} events", file=sys.stderr) as bar:
        for start in bar:
            hashes = _insert_events(connection, min(10_000, size - start), start)
            tiles.grow(connection, start, hashes)
    root = merkle.root(size, tiles.reader(connection))
    values = {"size": size, "root": root, "note": SIGNER.sign(size, root), "signed_at": _now()}
    connection.execute(insert(checkpoint).values(**values))


def _insert_events(connection: Connection, number: int, start: int | None) -> list[bytes]:
    now, rows = _now(), []
    for count in range(number):
        event_id = secrets.token_hex(16)
        leaf = seal.leaf(event_id, now, bytes(32), bytes(32))
        values = {"id": event_id, "recorded_at": now, "leaf": leaf, "leaf_hash": merkle.leaf_hash(leaf)}
        rows.append(values | {"log_index": None if start is None else start + count})
    connection.execute(insert(consent_event), rows)
    return [row["leaf_hash"] for row in rows]


def _append(engine: database.Engine) -> None:
    with database.transaction(engine) as connection:
        person = connection.execute(select(subscriber.c.id)).scalar_one()
        _append_event(connection, person)


def _append_event(connection: Connection, person: str) -> None:
    told = CORE | {"email": f"{person}@example.com"}
    evidence.append(connection, Occasion(_now(), "visitor", "form", VAULT, TECH), person, told)


def _insert_bare(engine: database.Engine) -> None:
    same_size = {"leaf": bytes(190), "leaf_hash": secrets.token_bytes(32)}
    same_size |= {"core_sealed": bytes(620), "tech_sealed": bytes(240)}
    with database.transaction(engine) as connection:
        connection.execute(insert(consent_event).values(id=secrets.token_hex(16), recorded_at=_now(), **same_size))


def _seal_until(engine: database.Engine, anchors: Anchors, stop: threading.Event) -> None:
    while not stop.wait(0.1):
        with database.transaction(engine) as connection:
            sealer.seal(connection, SIGNER, anchors, _now())


def _add_people(connection: Connection, number: int) -> list[str]:
    ids = [f"{count:036}" for count in range(number)]
    same = NAMES | {"status": "pending", "asked_at": _now(), "open_confirmation_id": ASK}
    connection.execute(
        insert(subscriber), [same | {"id": one, "email": f"{one}@example.com", "email_key": one} for one in ids]
    )
    return ids


def _open(folder: Path) -> tuple[database.Engine, Anchors]:
    engine = database.make_engine(f"sqlite:///{folder}/bench.db")
    database.upgrade(engine)
    return engine, Anchors(folder / "anchors.jsonl")


def _per_second(act: Callable[[], None], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        act()
    return times / (time.perf_counter() - began)


def _now() -> datetime:
    return datetime.now(UTC)


def _say(what: str, figure: str) -> None:
    click.echo(f"{what:45} {figure}")


if __name__ == "__main__":
    main()
