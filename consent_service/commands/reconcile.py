"""The console script's `reconcile`: compares the list at ActiveCampaign with the people here, and says what was found.

Contains no rule.
"""

import json
import signal
import sys
import threading
from typing import Any

import click
from sqlalchemy import Row

from consent_service import service as services
from consent_service import subscribers
from consent_service.activecampaign.pacing import CallBudget
from consent_service.commands import terminal
from consent_service.comparison import drift
from consent_service.comparison.drift import Summary
from consent_service.comparison.reconcile import Comparison, Unreachable
from consent_service.comparison.runs import RunLost
from consent_service.service import Service

FOUND = {
    drift.LEFT_THERE: ("unsubscribed at ActiveCampaign", "passive here now"),
    drift.BOUNCED_THERE: ("bounced at ActiveCampaign", "passive here now"),
    drift.MISSING_THERE: ("gone from the list at ActiveCampaign", "passive here now"),
    drift.LEFT_HERE: ("have left here, but are on the list at ActiveCampaign", "being taken off it"),
    drift.NOT_FORWARDED: ("have confirmed here, but ActiveCampaign was not told", "being told"),
    drift.STRANGER: ("on the list at ActiveCampaign without permission here", "being taken off it"),
    drift.RESTORED: ("erased here, but restored at ActiveCampaign", "being deleted there again"),
    drift.TO_BE_ASKED: ("on the list there, waiting to be asked or to answer (consent-service import invite)", ""),
    drift.OTHER_ADDRESS: ("have another address at ActiveCampaign than here", "to be set right there by hand"),
}
BUSY = "A comparison is under way already, by the relay or another command. Try again when it has ended."
NOT_YET_OURS = (
    "Who is on the list without permission may be a subscriber you have not brought over yet: "
    "consent-service import account --dry-run --help says how."
)
STOPPED = "Stopped. Give the command again to go on where it was."


@click.command
@click.option("--apply", "applies", is_flag=True, help="Put right what the rules allow; without it, only report.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@terminal.fails_clearly
def reconcile(applies: bool, as_json: bool) -> None:
    """Compare the list at ActiveCampaign with the people here, as the relay does every night."""
    service = terminal.load_service()
    if not service.forwards:
        terminal.stop(terminal.NOT_CONNECTED)
    terminal.await_database(service)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    comparison = Comparison(service, CallBudget(service.transaction, services.now, stop.wait), stop)
    if not comparison.begin(applies=applies):
        terminal.stop(BUSY)
    try:
        run = _watched(service, comparison)
    except (Unreachable, RunLost) as error:
        terminal.stop(f"Not finished: {error or 'another process took it over'}. Give the command again to go on.")
    finally:
        comparison.close()
    if run is None or run.is_open:
        terminal.stop(STOPPED)
    _report(service, run, as_json)


def _watched(service: Service, comparison: Comparison) -> Row[Any] | None:
    run = None
    with service.reading() as connection:
        expected = subscribers.counts(connection)["active"]
    with click.progressbar(length=expected, label="Comparing", file=sys.stderr) as bar:
        for run in comparison.run():
            bar.update(run.contacts - bar.pos)
    return run


def _report(service: Service, run: Row[Any], as_json: bool) -> None:
    with service.reading() as connection:
        found = drift.summary(connection, run.id)
    if as_json:
        told = {"contacts": run.contacts, "calls": run.calls, "found": found.found, "repaired": found.repaired}
        click.echo(json.dumps(told, indent=2))
        return
    click.echo(f"{run.contacts} contacts on the list, read in {run.calls} calls.")
    for line in _lines(found, applies=run.applies):
        click.echo(line)
    click.echo("Both sides agree." if not found.found else _next(found, applies=run.applies))


def _lines(found: Summary, *, applies: bool) -> list[str]:
    lines = []
    for kind in drift.KINDS:
        if number := found.found.get(kind):
            what, done = FOUND[kind]
            repaired = found.repaired.get(kind, 0) if applies else 0
            lines.append(f"{number} {what}" + (f": {repaired} {done}" if repaired else ""))
    return lines


def _next(found: Summary, *, applies: bool) -> str:
    strangers = found.found.get(drift.STRANGER, 0) - found.repaired.get(drift.STRANGER, 0)
    if strangers and not applies:
        return f"Nothing was changed. {NOT_YET_OURS} The others are taken off with: consent-service reconcile --apply"
    if strangers:
        return f"{NOT_YET_OURS} The others are taken off when this command is given once more."
    if not applies and found.found.keys() - {drift.TO_BE_ASKED, drift.OTHER_ADDRESS}:
        return "Nothing was changed. Put right what the rules allow with: consent-service reconcile --apply"
    return "Who they are is shown under /staff/activecampaign."
