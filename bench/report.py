"""Keeps what was measured, and writes it into `docs/`, so that no figure there was typed by hand.

`python -m bench.report` shows the newest measurements again; with `--write` also the page and its plot are made anew.
"""

import json
import re
from pathlib import Path

import click

from bench import plot
from bench.programs import ROOT
from bench.rounds import Figures
from bench.table import table

NEWEST = ROOT / "var/bench.json"
DOCUMENT, KEPT, PLOT = (ROOT / f"docs/performance.{ending}" for ending in ("md", "json", "svg"))
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"


def keep(results: Figures) -> None:
    """Keep the newest figures; also those of a run that is not over."""
    NEWEST.parent.mkdir(exist_ok=True)
    NEWEST.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


def add(part: str, kind: str, figures: Figures) -> None:
    """Add to the newest run, if there is one, what was measured apart from it on one kind of database."""
    if NEWEST.exists():
        results = json.loads(NEWEST.read_text("utf-8"))
        keep(results | {part: results.get(part, {}) | {kind: figures}})


def write(results: Figures) -> None:
    """Keep the figures in `docs/`, with the table and the plot made from them."""
    KEPT.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    PLOT.write_text(plot.cpu(results), "utf-8")
    told = DOCUMENT.read_text("utf-8")
    DOCUMENT.write_text(re.sub(f"(?s)(?<={BEGIN}\n).*(?={END})", lambda _: f"{table(results)}\n", told), "utf-8")


@click.command()
@click.argument("path", default=str(NEWEST), type=click.Path(exists=True, dir_okay=False))
@click.option("--write", "writes", is_flag=True, help="Write docs/performance.md and its plot anew.")
def main(path: str, writes: bool) -> None:
    """Print what was measured, by default the newest measurements."""
    results = json.loads(Path(path).read_text("utf-8"))
    click.echo(table(results))
    if writes:
        write(results)


if __name__ == "__main__":
    main()
