"""A large customer list out of a spreadsheet, back into one and undone: how long, how much memory, who waits meanwhile.

A process of its own does what the relay and the page of the export do, while another one writes a small row again and
again, as a visitor who subscribes would. `python -m bench.excel` runs it alone.
"""

import asyncio
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click

from bench import report
from bench.ground import KINDS, ground
from bench.grown import service_in
from bench.programs import KEY
from bench.rounds import Figures
from consent_service import config, schema
from consent_service import service as services
from consent_service.config import EXAMPLE_CONTROLLER, Settings
from consent_service.database import insert_or_replace
from consent_service.language import language
from consent_service.models.watch import pulse
from consent_service.register import customer_exports, customer_imports
from consent_service.register.customers import Search
from consent_service.register.importing import Importing
from consent_service.register.sheet_writer import writing
from consent_service.service import Service

ROWS = 20_000
PAUSE_S = 0.01
STEPS = ("reading", "checking", "adding", "export", "undoing")
HEADINGS = ("Asiakasnumero", "Etunimi", "Sukunimi", "Puhelin", "Sähköposti", "Katuosoite", "Postinumero", "Paikkakunta")
Took = dict[str, tuple[float, float, float]]


def measure(kind: str, rows: int = ROWS) -> Figures:
    """Return seconds of each step, the peak of the memory, and the longest that another writer waited in each."""
    return asyncio.run(_measure(kind, rows))


async def _measure(kind: str, rows: int) -> Figures:
    async with ground(kind) as here:
        url, _ = here.database("excel")
        service = service_in(here, "excel", url)
        schema.upgrade(service.engine)
        file = here.folder / "customers.xlsx"
        _write_list(file, rows)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            working = pool.submit(work, url, str(here.folder), str(file))
            waits = await asyncio.to_thread(_keep_writing, service, working)
            found, times = working.result()
        service.engine.dispose()
    longest = {step: max((took for at, took in waits if _is_in(at, times[step])), default=0) for step in STEPS}
    return found | {"rows": rows, "wait_ms": {step: 1000 * took for step, took in longest.items()}}


def work(url: str, folder: str, file: str) -> tuple[Figures, Took]:
    """Take a list in, put it out, and take it out again; the figures, and when each step began and ended."""
    given = {"secret_keys": KEY, "data_keys": KEY, "log_key": KEY, "public_url": "https://bench.example"}
    settings = Settings.model_validate(given | {"database_url": url})
    service = Service(settings, config.read_controller(EXAMPLE_CONTROLLER), Path(folder) / "var")
    relay, before_mb, times = Importing(service, threading.Event()), _peak_mb(), Took()
    import_id = _take(service, Path(file).read_bytes())
    _time(times, "reading", relay.step)
    _name_columns(service, import_id)
    _time(times, "checking", relay.step)
    _change(service, customer_imports.apply, import_id)
    _time(times, "adding", relay.step)
    import_mb = _peak_mb()
    size = _time(times, "export", lambda: _export(service))
    figures = {"before_mb": before_mb, "import_mb": import_mb, "export_mb": _peak_mb(), "export_bytes": size}
    _change(service, customer_imports.undo, import_id)
    _time(times, "undoing", relay.step)
    service.engine.dispose()
    figures |= {"took_s": {step: end - began for step, (began, end, _) in times.items()}}
    return figures | {"cpu_s": {step: cpu for step, (_, _, cpu) in times.items()}}, times


def _take(service: Service, content: bytes) -> str:
    with service.transaction() as connection:
        return customer_imports.take(connection, services.now(), "customers.xlsx", content, "Heidi")


def _name_columns(service: Service, import_id: str) -> None:
    with service.transaction() as connection:
        found = customer_imports.find(connection, import_id)
        table = customer_imports.table(connection, found, 0, 1)  # type: ignore[arg-type]
        customer_imports.set_columns(connection, services.now(), import_id, (0, 1), table.columns, "other")


def _change(service: Service, act: Callable[[Any, datetime, str], None], import_id: str) -> None:
    with service.transaction() as connection:
        act(connection, services.now(), import_id)


def _export(service: Service) -> int:
    with service.snapshot() as connection, tempfile.TemporaryFile() as kept:
        with customer_exports.write(connection, Search(""), language("fi"), "nyt") as file:
            kept.write(file.read())
        return kept.tell()


def _time(times: Took, step: str, act: Callable[[], Any]) -> Any:
    began, cpu = time.monotonic(), time.process_time()
    result = act()
    times[step] = began, time.monotonic(), time.process_time() - cpu
    return result


def _keep_writing(service: Service, working: "Future[Any]") -> list[tuple[float, float]]:
    """Write one small row after another until the work is done: when each was begun, and how long it took."""
    waits = []
    while not working.done():
        began = time.monotonic()
        with service.transaction() as connection:
            insert_or_replace(connection, pulse, ["name"], {"name": "bench", "at": services.now()})
        waits.append((began, time.monotonic() - began))
        time.sleep(PAUSE_S)
    return waits


def _is_in(at: float, step: tuple[float, float, float]) -> bool:
    return step[0] <= at <= step[1]


def _write_list(path: Path, rows: int) -> None:
    with path.open("wb") as file, writing(file) as book:
        book.add_sheet("Asiakkaat", HEADINGS, _people(rows))


def _people(rows: int) -> Iterator[tuple[str | int, ...]]:
    for number in range(rows):
        name, place = f"Asiakas{number}", (f"Kauppakatu {number % 200}", "40100", "Jyväskylä")
        yield number + 1, "Aino", name, f"040 {1000000 + number}", f"aino.{number}@example.com", *place


def _peak_mb() -> float:
    """The most memory this process has held so far (proc(5), `VmHWM`)."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


@click.command()
@click.option("--database", "kinds", type=click.Choice(KINDS), multiple=True, help="Default: both.")
@click.option("--rows", default=ROWS, show_default=True)
def main(kinds: tuple[str, ...], rows: int) -> None:
    """Take a customer list in and put it out again, and print how long it took and who waited."""
    for kind in kinds or KINDS:
        found = measure(kind, rows)
        report.add("excel", kind, found)
        click.echo(json.dumps({kind: found}, indent=1))


if __name__ == "__main__":
    main()
