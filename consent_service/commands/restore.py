"""The command `restore`: puts a backup back, repeats erasures and withdrawals made since, and ends with an audit.

Given again after it broke off, it goes on. Contains no rule.
"""

import json
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from consent_service import chores, subscribers
from consent_service.backup import restore as putting_back
from consent_service.backup.restore import Plan, Stopped
from consent_service.commands import audit, terminal
from consent_service.commands.audit import Audited
from consent_service.commands.backup import key_file, read_keys
from consent_service.comparison import drift, runs
from consent_service.comparison.reconcile import Unreachable
from consent_service.service import Service

GO_ON = (
    "Nothing is served or sent until this is done. Give the command again to go on; or, without ActiveCampaign, take "
    "CONSENT_ACTIVECAMPAIGN_URL, _TOKEN and _LIST_ID out of the settings first."
)
STAFF = (
    "These may log in, as the backup says; nothing proves who wrote it. Disable whom you do not know (staff disable):"
)
KEYS = (
    "These programs' API keys are in force again, also what was disabled since; look through them at /staff/api-keys:"
)
FOUND = (
    "The audit found what stands above, so nothing is served or sent. Take an older backup into an empty database; or, "
    "if you know how each of it came about, give the command again with --despite-findings."
)


@dataclass
class Told:
    """What was done, for people and scripts."""

    file: str
    made_at: str
    rows: int
    not_sent: int = 0
    invitations_stopped: int = 0
    anchors_put_aside: str | None = None
    erased_or_stopped_again: int = 0
    compared: bool = False
    left_at_activecampaign: int = 0
    unknown_at_activecampaign: int = 0
    active_staff: Sequence[str] = ()
    active_keys: Sequence[str] = ()
    finished: bool = False


@click.command
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@key_file
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
@click.option("--despite-findings", "despite", is_flag=True, help="Let it be served whatever the audit finds.")
@terminal.fails_clearly
def restore(path: Path, key_file: Path | None, as_json: bool, despite: bool) -> None:
    """Put a backup into an empty database, SQLite or PostgreSQL; stop `web` and `relay` before.

    Keep var/notes.jsonl and var/anchors.jsonl as they are: by them those who left since then are left in peace.
    """
    service, stop = terminal.load_service(), threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    keys = read_keys(service, key_file)
    with click.progressbar(length=path.stat().st_size, label="Checking the backup", file=sys.stderr) as bar:
        plan = putting_back.prepare(service, path, keys, bar.update)
    told = Told(str(path), plan.facts.header.made_at.isoformat(), sum(plan.facts.contents.rows.values()))
    if not putting_back.is_under_way(service, plan):
        stopped = _load(service, plan, told.rows)
        told.not_sent, told.invitations_stopped = stopped.mails, stopped.invitations
    aside = putting_back.put_files(service)
    told.anchors_put_aside = str(aside) if aside else None
    told.erased_or_stopped_again = chores.repeat_notes(service)
    if service.forwards:
        _compare(service, told, stop)
    if stop.is_set():
        terminal.stop(GO_ON)
    for _ in chores.list_leaves(service):
        pass
    service.seal()
    found = audit.carry_out(service)
    told.active_staff, told.active_keys = putting_back.active_staff(service), putting_back.active_keys(service)
    told.finished = despite or not found.findings
    if told.finished:
        putting_back.finish(service)
    _report(told, found, as_json)


def _load(service: Service, plan: Plan, rows: int) -> Stopped:
    with click.progressbar(length=rows, label=f"Putting {rows} rows back", file=sys.stderr) as bar:
        return putting_back.load(service, plan, bar.update)


def _compare(service: Service, told: Told, stop: threading.Event) -> None:
    run = None
    with service.reading() as connection:
        expected = subscribers.counts(connection)["active"]
    try:
        with click.progressbar(length=expected, label="Comparing with ActiveCampaign", file=sys.stderr) as bar:
            for run in putting_back.compare(service, stop):
                bar.update(run.contacts - bar.pos)
    except (Unreachable, runs.RunLost) as error:
        terminal.stop(f"ActiveCampaign: {error or 'another process compares'}. {GO_ON}")
    if run is None:
        return
    with service.reading() as connection:
        found = drift.summary(connection, run.id)
    told.compared = run.phase == runs.DONE
    told.left_at_activecampaign = sum(
        found.repaired.get(kind, 0) for kind in (drift.LEFT_THERE, drift.BOUNCED_THERE, drift.MISSING_THERE)
    )
    told.unknown_at_activecampaign = found.found.get(drift.STRANGER, 0)


def _report(told: Told, found: Audited, as_json: bool) -> None:
    if as_json:
        audited = {"events": found.events, "findings": [vars(one) for one in found.findings]}
        click.echo(json.dumps(asdict(told) | {"audit": audited}, ensure_ascii=False, indent=2))
    else:
        for line in _lines(told):
            click.echo(line)
        click.echo(str(found))
    if not told.finished:
        terminal.stop(FOUND)


def _lines(told: Told) -> list[str]:
    lines = [f"The state of {told.made_at[:19]} UTC is back: {told.rows} rows."]
    lines.append(f"{told.erased_or_stopped_again} people erased or stopped since then are so again.")
    if told.compared:
        lines.append(f"{told.left_at_activecampaign} people who left at ActiveCampaign have left here too.")
    if told.unknown_at_activecampaign:
        lines.append(
            f"{told.unknown_at_activecampaign} contacts on the list there are not subscribers here; most likely they "
            "joined since. They are left alone until you apply a comparison by hand; docs/operations.md says more."
        )
    if told.not_sent:
        lines.append(f"{told.not_sent} mails waited in the backup and are not sent; most likely they were, then.")
    if told.invitations_stopped:
        lines.append(
            f"{told.invitations_stopped} invitations stopped; give `import invite` again for those to be asked."
        )
    if told.anchors_put_aside:
        lines.append(f"Keep {told.anchors_put_aside}: the checkpoints of what was lost with the old database.")
    if told.active_staff:
        lines.append(f"{STAFF} {', '.join(told.active_staff)}")
    if told.active_keys:
        lines.append(f"{KEYS} {', '.join(told.active_keys)}")
    return [*lines, "Start web and relay now, and make a new backup."] if told.finished else lines
