"""What the evidence costs: appending beside a running sealer, sealing and proving in a large log, auditing.

On SQLite. Compares within one run; absolute figures drift between machines. `python -m bench.ledger` runs it alone.
"""

import json
import secrets
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection, Engine, Row, insert, select

from consent_service import database, people, schema, subscriptions
from consent_service.asks import Ask
from consent_service.ledger import audit, evidence, merkle, seal, sealer, tiles
from consent_service.ledger.anchors import Anchors
from consent_service.ledger.checkpoint import Signer
from consent_service.ledger.evidence import Occasion
from consent_service.ledger.seal import Payload
from consent_service.ledger.vault import Vault
from consent_service.models.ledger import checkpoint, consent_event
from consent_service.notices.statements import ShownText, Terms
from consent_service.subscriptions import Asked

APPENDED = 2000
LARGE = 1_000_000
BATCH = 1000
AUDITED = 40_000
EVENTS_EACH = 4
SIGNER = Signer("bench.example/consent-log", bytes(32))
VAULT = Vault([bytes(32)])
TERMS = Terms(ShownText("consent", "fi", b"Yes, please."), ShownText("privacy", "fi", b"What we do with it."), 1)
CORE: Payload = {
    "kind": "sent",
    "confirmation": "0" * 32,
    "letter": "0" * 64,
    "texts": {"consent": TERMS.consent.sha256},
}
TECH: Payload = {"ip": "192.0.2.0/24", "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}


def measure() -> dict[str, float]:
    """Measure everything in a folder that is thrown away, and return the figures."""
    with tempfile.TemporaryDirectory() as folder:
        return appending(Path(folder) / "append") | large_log(Path(folder) / "large") | auditing(Path(folder) / "audit")


def appending(folder: Path) -> dict[str, float]:
    """One durable transaction an event, beside a sealer, against bare inserts of rows of the same size."""
    engine, anchors = _open(folder)
    with database.transaction(engine) as connection:
        person = _ask(connection, 1)
        sample = evidence.append(connection, _occasion(), person, CORE).id
        row = connection.execute(select(consent_event).where(consent_event.c.id == sample)).one()
    bare = _per_second(lambda: _insert_bare(engine, row), APPENDED)
    alone = _per_second(lambda: _append(engine, person), APPENDED)
    stop = threading.Event()
    sealing = threading.Thread(target=_seal_until, args=(engine, anchors, stop))
    sealing.start()
    beside = _per_second(lambda: _append(engine, person), APPENDED)
    stop.set()
    sealing.join()
    engine.dispose()
    return {"bare_per_s": bare, "appended_of_bare": alone / bare, "appended_beside_sealer_of_bare": beside / bare}


def large_log(folder: Path) -> dict[str, float]:
    """Sealing 1,000 events in a log of a million, and proofs in it, against a log of 1,000."""
    small = _seal_and_prove(folder / "small", BATCH)
    large = _seal_and_prove(folder / "million", LARGE)
    sealing, proving = (many / few for few, many in zip(small, large, strict=True))
    return {"seal_ms": large[0] * 1000, "seal_growth": sealing, "proof_ms": large[1] * 1000, "proof_growth": proving}


def auditing(folder: Path) -> dict[str, float]:
    """The whole audit, and that it is silent."""
    engine, anchors = _open(folder)
    with database.transaction(engine) as connection:
        numbers = range(AUDITED // EVENTS_EACH)
        with click.progressbar(numbers, label=f"Writing {AUDITED:,} events", file=sys.stderr) as bar:
            for number in bar:
                person = _ask(connection, number)
                for _ in range(EVENTS_EACH - 1):
                    evidence.append(connection, _occasion(), person, CORE)
        sealer.seal(connection, [SIGNER], anchors, _now())
    with database.transaction(engine) as connection:
        sealer.anchor(connection, SIGNER, anchors)
    began = time.perf_counter()
    with database.snapshot(engine) as connection:
        findings = audit.audit(connection, VAULT, SIGNER.verifier, [*anchors.all()], _now())
    took = time.perf_counter() - began
    engine.dispose()
    return {"audited_per_s": AUDITED / took, "audit_findings": len(findings)}


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
            sealed = sealer.seal(connection, [SIGNER], anchors, _now())
        assert sealed is not None
        took.append(time.perf_counter() - began)
    proofs = []
    with database.reading(engine) as connection:
        for _ in range(200):
            began = time.perf_counter()
            index = secrets.randbelow(size)
            merkle.inclusion(index, size, tiles.reader(connection))
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
    now = _now()
    rows: list[dict[str, Any]] = []
    for count in range(number):
        event_id = secrets.token_hex(16)
        leaf = seal.leaf(event_id, now, bytes(32), bytes(32))
        values = {"id": event_id, "recorded_at": now, "leaf": leaf, "leaf_hash": merkle.leaf_hash(leaf)}
        rows.append(values | {"log_index": None if start is None else start + count})
    connection.execute(insert(consent_event), rows)
    return [row["leaf_hash"] for row in rows]


def _append(engine: Engine, person: str) -> None:
    with database.transaction(engine) as connection:
        evidence.append(connection, _occasion(), person, CORE)


def _insert_bare(engine: Engine, like: Row[Any]) -> None:
    """One row with as many bytes in it as a real event has."""
    same_size: dict[str, object] = {
        name: bytes(len(getattr(like, name))) for name in ("leaf", "core_sealed", "tech_sealed")
    }
    same_size |= {"id": secrets.token_hex(16), "leaf_hash": secrets.token_bytes(32)}
    with database.transaction(engine) as connection:
        connection.execute(insert(consent_event).values(recorded_at=_now(), **same_size))


def _seal_until(engine: Engine, anchors: Anchors, stop: threading.Event) -> None:
    while not stop.wait(0.1):
        with database.transaction(engine) as connection:
            sealer.seal(connection, [SIGNER], anchors, _now())


def _ask(connection: Connection, number: int) -> str:
    """Let somebody subscribe, and return their id."""
    address = people.read_address(f"p{number}@example.com")
    ask = Ask(address=address, first_name="Aino", last_name="Mäkelä", language="fi", terms=TERMS)
    asked = subscriptions.request(connection, _occasion(), ask, ())
    assert isinstance(asked, Asked)
    return asked.subscriber_id


def _occasion() -> Occasion:
    return Occasion(_now(), "visitor", "form", VAULT, TECH, forwards=False)


def _open(folder: Path) -> tuple[Engine, Anchors]:
    engine = database.make_engine(f"sqlite:///{folder}/bench.db")
    schema.upgrade(engine)
    return engine, Anchors(folder / "anchors.jsonl")


def _per_second(act: Callable[[], None], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        act()
    return times / (time.perf_counter() - began)


def _now() -> datetime:
    return datetime.now(UTC)


@click.command()
def main() -> None:
    """Measure what the evidence costs and print it."""
    click.echo(json.dumps(measure(), indent=2))


if __name__ == "__main__":
    main()
