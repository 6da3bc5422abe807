"""What more relays bring: mails a second with one, two and three of them on one PostgreSQL.

Once with a mail server that takes each mail at once, where what counts in the end is how many cores there are, and once
with one that takes its time, as real ones do. Rounds take turns between the numbers of relays; their ratio counts.
"""

import asyncio
import base64
import contextlib
import json
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
from sqlalchemy import Engine

from bench.doubles import OtherSide
from bench.ground import OPTIONS
from bench.programs import KEY, SCRIPT, Process
from consent_service import database, people, subscriptions
from consent_service import service as services
from consent_service.asks import Ask
from consent_service.ledger.evidence import Occasion
from consent_service.ledger.vault import Vault
from consent_service.notices.statements import ShownText, Terms
from tests import postgres

RELAYS = (1, 2, 3)
SLOW_S = 0.02
PATIENCE_S = 120
TERMS = Terms(ShownText("consent", "fi", b"Yes, please."), ShownText("privacy", "fi", b"What we do with it."), 1)
VAULT = Vault([base64.b64decode(KEY)])


def ask(engine: Engine, number: int) -> None:
    """Let so many people ask at one moment, so that as many mails are due."""
    round_ = secrets.token_hex(4)
    with database.transaction(engine) as connection:
        occasion = Occasion(services.now(), "visitor", "form", VAULT, forwards=False)
        for one in range(number):
            address = people.read_address(f"p{one}@{round_}.example.com")
            wish = Ask(address=address, first_name="Aino", last_name="Mäkelä", language="fi", terms=TERMS)
            subscriptions.request(connection, occasion, wish, ())


async def pace(folder: Path, database_url: str, delay_s: float, relays: int, number: int) -> float:
    """Return how many mails a second so many relays bring to a server that takes so long for each."""
    other_side = OtherSide()
    await other_side.start(delay_s)
    given = {
        "CONSENT_DATABASE_URL": database_url,
        "CONSENT_SMTP_URL": other_side.smtp_url,
        "CONSENT_DATA_KEYS": KEY,
        "CONSENT_LIMIT_GLOBAL": "off",
        "CONSENT_RELAY_POLL_S": "0.05",
    }
    engine = database.make_engine(database_url)
    running = [Process(f"relay{one}", [str(SCRIPT), "relay"], folder, given) for one in range(relays)]
    try:
        await _until(lambda: all("relay started" in process.said for process in running))
        before = other_side.mails.count
        await asyncio.to_thread(ask, engine, number)
        began = time.perf_counter()
        await _until(lambda: other_side.mails.count >= before + number)
        return number / (time.perf_counter() - began)
    finally:
        for process in running:
            await asyncio.to_thread(process.stop)
        engine.dispose()
        other_side.stop()


async def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError
        await asyncio.sleep(0.01)


def compare(folder: Path, database_url: str, delay_s: float, rounds: int, number: int) -> dict[int, list[float]]:
    """Let the numbers of relays take turns; the mails a second of each."""
    found: dict[int, list[float]] = {relays: [] for relays in RELAYS}
    for turn in range(rounds):
        for relays in RELAYS:
            click.echo(f"{delay_s * 1000:.0f} ms a mail: round {turn + 1} of {rounds}, {relays} relays", err=True)
            found[relays].append(asyncio.run(pace(folder, database_url, delay_s, relays, number)))
    return found


def measure(rounds: int, number: int) -> dict[str, dict[str, float]]:
    """By what the mail server takes: mails a second of one relay, and how many times as many two and three bring."""
    measured = {}
    with tempfile.TemporaryDirectory(prefix="consent-bench-") as named, contextlib.ExitStack() as stack:
        folder = Path(named)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        url = stack.enter_context(postgres.cluster(folder / "cluster", OPTIONS))
        for delay_s in (0, SLOW_S):
            found = compare(folder, url, delay_s, rounds, number)
            measured[f"{delay_s * 1000:.0f} ms a mail"] = {"one_per_s": statistics.median(found[1])} | {
                f"gain_of_{relays}": statistics.median(more / one for more, one in zip(paces, found[1], strict=True))
                for relays, paces in found.items()
                if relays > 1
            }
    return measured


@click.command()
@click.option("--rounds", default=3, show_default=True)
@click.option("--number", default=400, show_default=True, help="Mails in a round.")
def main(rounds: int, number: int) -> None:
    """Measure what two and three relays bring, beside one."""
    click.echo(json.dumps(measure(rounds, number), indent=2))


if __name__ == "__main__":
    main()
