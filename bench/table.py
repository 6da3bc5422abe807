"""What was measured as one table in Markdown: the terminal and `docs/performance.md` show the same."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from bench.dopt import BARE, HELLO, NEWSLETTER, OURS
from bench.ground import KINDS
from bench.latency import FAILING, SLOW
from bench.load import STEPS
from bench.rounds import AT_ONCE, REQUESTS, Figures

HEAD = ("", "SQLite", "PostgreSQL", "wanted")
AFTER = {"post": ", and its mail", "confirm": ", and what follows"}
PATHS = {"mail": "POST → mail", "forward": "confirm → on the list"}
SLOWEST = 8  # pages of staff that are named
Row = tuple[str, str, str, str]


def table(results: Figures) -> str:
    """The whole run as a table in Markdown, with what it was measured on."""
    rows = [HEAD, *_rows(results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows]
    ruler = f"|{'|'.join('-' * (width + 2) for width in widths)}|"
    return "\n".join([_measured_on(results), "", lines[0], ruler, *lines[1:]])


def _rows(results: Figures) -> Iterator[Row]:
    yield from _double_opt_ins(results["dopt"])
    yield from _requests(results["dopt"])
    yield from _times(results["dopt"])
    if "latency" in results:
        yield from _latencies(results["latency"])
    if "growth" in results:
        yield from _growth(results["growth"])
    if "purge" in results:
        yield from _purge(results["purge"])
    if "memory" in results:
        yield from _memory(results["memory"])
    if "relays" in results:
        yield from _relays(results["relays"])
    if "ledger" in results:
        yield from _ledger(results["ledger"])
    if "staff_pages" in results:
        yield from _staff_pages(results["staff_pages"])
    if "excel" in results:
        yield from _excel(results["excel"])


def _double_opt_ins(found: Figures) -> Iterator[Row]:
    yield f"**Double opt-ins, {AT_ONCE} at once**", "", "", ""
    for name in (OURS, BARE, HELLO, NEWSLETTER):
        yield _row(found, f"{name}: a second", ("programs", name, "per_s"), _whole)
        yield _row(found, f"{name}: CPU ms each", ("programs", name, "cpu_ms"), _tenths)
    ours = ("programs", OURS)
    for role, what in (
        ("web", "of ours, web"),
        ("relay", "of ours, relay"),
        ("database", "database server beside ours"),
    ):
        yield _row(found, what, (*ours, "cpu_ms_by_process", role), _tenths)
    yield _row(found, "ours of bare, per CPU second", (*ours, "of_yardstick"), _hundredths, "≥ 0.50")
    with_database = "the same, database server included"
    yield _row(found, with_database, (*ours, "of_yardstick_with_database"), _hundredths)
    yield _row(found, f"ours of {NEWSLETTER}, per CPU second", ("of_newsletter",), _hundredths, "≥ 3.00")


def _requests(found: Figures) -> Iterator[Row]:
    yield "**CPU ms of one request, web + relay**", "", "", ""
    for name in (OURS, BARE):
        for step in REQUESTS:
            yield _row(found, f"{name}: {step}{AFTER.get(step, '')}", ("requests_ms", name, step), _by_process)


def _times(found: Figures) -> Iterator[Row]:
    yield f"**Milliseconds, {AT_ONCE} at once, p50 / p99**", "", "", ""
    for name in (OURS, BARE):
        for step in STEPS:
            yield _row(found, f"{name}: {PATHS.get(step, step)}", ("programs", name, "steps_ms", step), _two)
    yield _row(found, "POST p99, ours of bare", ("post_p99_of_bare",), _hundredths, "≤ 0.50 on SQLite")


def _latencies(found: Figures) -> Iterator[Row]:
    yield "**One at a time, nothing queued, ms, p50 / p99**", "", "", ""
    for step, wanted in (("mail", "p99 ≤ 40"), ("forward", "p50 ≤ 25")):
        yield _row(found, PATHS[step], ("idle_ms", step), _two, wanted)
    yield "**Times as long as with a well ActiveCampaign**", "", "", ""
    for name, what in ((SLOW, "250 ms a call"), (FAILING, "fails every fifth")):
        for part in ("pages", "mail"):
            yield _row(found, f"{what}: {part}", ("of_calm", name, part), _hundredths, "≤ 1.20")


def _growth(found: Figures) -> Iterator[Row]:
    first, *_, last = map(_spaced, next(iter(found.values()))["programs"])
    yield f"**With {last} in the database, of that with {first}**", "", "", ""
    yield _row(found, "POST p50", ("post_p50_growth",), _hundredths, "≤ 1.30")
    yield _row(found, "CPU of a double opt-in", ("cpu_growth",), _hundredths, "≤ 1.10")
    yield _row(found, "events that wait for a seal, at first", ("sealing", "unsealed_at_first"), _whole)
    yield _row(found, "… and at last, as fast as people can come", ("sealing", "unsealed_at_last"), _whole, "no more")


def _purge(found: Figures) -> Iterator[Row]:
    yield "**While very many people are purged beside web traffic**", "", "", ""
    yield _row(found, "people erased", ("erased",), _whole)
    yield _row(found, "minutes it takes", ("took_min",), _tenths)
    for page in ("post", "confirm"):
        yield _row(found, f"{page}, p50 / p99 ms", ("meanwhile_ms", page), _two)
        yield _row(found, "the same before", ("before_ms", page), _two)
    yield _row(found, "slowest request of all, ms", ("slowest_ms",), _whole, "≤ 250")
    yield _row(found, "a page that somebody else wrote to the disk, slowest, ms", ("disk_slowest_ms",), _whole)
    yield _row(found, "times that took over 50 ms", ("disk_stalls",), _whole)
    yield _row(found, "slowest request of those who came at other times, ms", ("slowest_well_ms",), _whole)


def _memory(found: Figures) -> Iterator[Row]:
    requests = next(iter(found.values()))["requests"]
    yield f"**Memory after {requests:,} requests**", "", "", ""
    for role in ("web", "relay"):
        yield _row(found, f"{role}, MB of its own", (role, "mb"), _tenths)
        wanted = "flat" if role == "web" else ""
        yield _row(found, "bytes more a request, over the second half", (role, "bytes_a_request"), _tenths, wanted)


def _relays(found: Figures) -> Iterator[Row]:
    yield "**Relays beside each other**", "", "", ""
    for server, paces in found.items():
        yield f"mails a second of one, {server}", "", _whole(paces["one_per_s"]), ""
        for relays in (2, 3):
            yield f"times as many with {relays}", "", _hundredths(paces[f"gain_of_{relays}"]), ""


def _ledger(found: dict[str, float]) -> Iterator[Row]:
    yield "**Evidence**", "", "", ""
    yield "events appended a second, of bare inserts", _hundredths(found["appended_of_bare"]), "", ""
    yield "the same beside a running sealer", _hundredths(found["appended_beside_sealer_of_bare"]), "", ""
    for what, key in (("sealing 1,000 events in a log of 1,000,000, ms", "seal"), ("a proof in it, ms", "proof")):
        yield what, _hundredths(found[f"{key}_ms"]), "", ""
        yield "times as long as in a log of 1,000", _hundredths(found[f"{key}_growth"]), "", ""
    yield "events audited a second", _whole(found["audited_per_s"]), "", ""


def _staff_pages(found: Figures) -> Iterator[Row]:
    one = next(iter(found.values()))
    yield f"**Pages of staff with {one['people']:,} people and {one['customers']:,} customers, ms**", "", "", ""
    for share, what in (("p95", "slowest page, p95"), ("cpu_p95", "the most CPU of a page, p95")):
        slowest = {kind: max(page[share] for page in of["pages_ms"].values()) for kind, of in found.items()}
        yield what, *_both(slowest), "≤ 150"
    pages = sorted(one["pages_ms"], key=lambda rule: one["pages_ms"][rule]["p95"], reverse=True)
    for rule in pages[:SLOWEST]:
        took = {kind: of["pages_ms"].get(rule, {}).get("p95") for kind, of in found.items()}
        yield f"`{_plain(rule)}`, p95", *_both(took), ""


def _both(figures: dict[str, float | None]) -> tuple[str, str]:
    sqlite, postgresql = (figures.get(kind) for kind in KINDS)
    return _some(sqlite), _some(postgresql)


def _some(figure: float | None) -> str:
    return "–" if figure is None else _whole(figure)


def _plain(rule: str) -> str:
    return re.sub(r"<(?:[^:>]+:)?(\w+)>", r"<\1>", rule)


def _excel(found: Figures) -> Iterator[Row]:
    rows = next(iter(found.values()))["rows"]
    yield f"**{rows:,} customers out of a spreadsheet and into one**", "", "", ""
    for step in ("reading", "checking", "adding", "export", "undoing"):
        yield _row(found, f"{step}, CPU s", ("cpu_s", step), _tenths)
        yield _row(found, "the longest another writer waited meanwhile, ms", ("wait_ms", step), _whole)
    yield _row(found, "memory before, MB", ("before_mb",), _whole)
    yield _row(found, "at its peak during the import, MB", ("import_mb",), _whole)
    yield _row(found, "… and the export, MB", ("export_mb",), _whole)


def _row(found: Figures, what: str, path: tuple[str, ...], shape: Callable[[Any], str], wanted: str = "") -> Row:
    sqlite, postgresql = (_cell(found.get(kind), path, shape) for kind in KINDS)
    return what, sqlite, postgresql, wanted


def _cell(figure: Any, path: tuple[str, ...], shape: Callable[[Any], str]) -> str:
    for key in path:
        if figure is None or key not in figure:  # not every program runs everywhere
            return "–"
        figure = figure[key]
    return figure if isinstance(figure, str) else shape(figure)


def _spaced(name: str) -> str:
    number, _, what = name.partition(" ")
    return f"{int(number):,} {what}"


def _whole(figure: float) -> str:
    return f"{figure:.0f}"


def _tenths(figure: float) -> str:
    return f"{figure:.1f}"


def _hundredths(figure: float) -> str:
    return f"{figure:.2f}"


def _by_process(figure: dict[str, float]) -> str:
    return " + ".join(f"{ms:.1f}" for ms in figure.values())


def _two(figure: dict[str, float]) -> str:
    return f"{figure['p50']:.0f} / {figure['p99']:.0f}"


def _measured_on(results: Figures) -> str:
    on = results["machine"]
    return (
        f"Measured on {results['at']} in {results['took_s'] / 60:.0f} minutes: {on['cores']} cores, load {on['load']} "
        f"when it began, {on['versions']}."
    )
