"""The command `import`: brings the subscribers of an earlier list over, shows what would happen, and takes it back.

Works in slices, each a transaction of its own: killed in the middle and run again, it goes on with the rest, since
whoever is known already is passed over. Says rows by their number, never by an address. Contains no rule.
"""

import json
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Row

from consent_service import chores, language, schema, subscribers
from consent_service import service as services
from consent_service.activecampaign.pacing import CallBudget
from consent_service.commands import terminal
from consent_service.earlier_list import import_account, import_claims, import_file, import_rows, imports
from consent_service.earlier_list.import_claims import Claim
from consent_service.earlier_list.import_file import Line
from consent_service.earlier_list.imports import REASONS, Batch, Outcome
from consent_service.language import day_of
from consent_service.service import Service

SLICE = 100
LARGEST_FILE = 50 * 1024 * 1024


@click.group("import")
def imports_group() -> None:
    """Bring over the subscribers of an earlier list.

    Whose permission can be proved becomes active; who is known here already stays as they are. Without a grade nobody
    becomes active: such people wait until they are asked, see: import invite.
    """


def says_what_is_claimed(command: Any) -> Any:
    """Give a command the options that say what is claimed of all rows that say nothing themselves."""
    options = (
        click.option("--grade", type=click.Choice(list(import_claims.GRADES)), default=import_claims.UNKNOWN,
                     show_default=True, help="How their permission can be proved."),
        click.option("--on", "day", help="The day it was given, as 2024-01-31 or 31.1.2024."),
        click.option("--form-number", default="", help="The number of the paper form."),
        click.option("--language", "code", type=click.Choice(language.CODES), default="fi", show_default=True),
        click.option("--staff-name", required=True, help="Who brings the list over; noted in the evidence."),
        click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing."),
        click.option("--json", "as_json", is_flag=True, help="Print the report as JSON."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@imports_group.command("file")
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@says_what_is_claimed
@terminal.fails_clearly
def bring_file(path: Path, *, dry_run: bool, as_json: bool, **said: Any) -> None:
    """Bring over the people in a CSV or XLSX file; they go on to ActiveCampaign.

    The first row names the columns: email, first name, last name, language, grade, date, form. Only email is needed.
    """
    if path.stat().st_size > LARGEST_FILE:
        terminal.stop("The file is larger than 50 MB. Split it.")
    sheet = import_file.read(path.read_bytes())
    service = terminal.load_service()
    batch = _batch(service, imports.FILE, said)
    if sheet.ignored and not as_json:
        click.echo(f"Columns that are not used: {', '.join(sheet.ignored)}", err=True)
    terminal.await_database(service)
    slices = [sheet.lines[first : first + SLICE] for first in range(0, len(sheet.lines), SLICE)]
    outcomes = _bring_over(service, batch, slices, dry_run=dry_run)
    _report(batch, outcomes, dry_run=dry_run, as_json=as_json)


@imports_group.command("account")
@says_what_is_claimed
@terminal.fails_clearly
def bring_account(*, dry_run: bool, as_json: bool, **said: Any) -> None:
    """Bring over the people who are active on the list at ActiveCampaign.

    With double-opt-in and no --on, the day is the one on which the contact was made there.
    """
    service = terminal.load_service()
    if not service.forwards:
        terminal.stop(terminal.NOT_CONNECTED)
    batch, never = _batch(service, imports.ACCOUNT, said), threading.Event()
    terminal.await_database(service)
    listing = service.listing(service.calls(CallBudget(service.transaction, services.now, never.wait)))
    try:
        found = import_account.pages(listing, batch.otherwise, never.wait)
        outcomes = _bring_over(service, batch, found, dry_run=dry_run)
    finally:
        listing.close()
    _report(batch, outcomes, dry_run=dry_run, as_json=as_json)


@imports_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the batches as JSON.")
@terminal.fails_clearly
def list_batches(as_json: bool) -> None:
    """List what was brought over, newest first."""
    service = terminal.load_service()
    schema.upgrade(service.engine)
    with service.reading() as connection:
        found, waiting = imports.batches(connection), import_rows.waiting(connection)
    told = [_told(batch, *waiting.get(batch.id, (0, 0))) for batch in found]
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    for one in told:
        click.echo(
            f"{one['id']}  {one['started_at'][:16]}  {one['source']}  {one['grade']}  {one['imported_by']}: "
            f"{one['imported']} imported, {one['skipped']} skipped, {one['still_waiting']} wait to be asked"
            f"{', undone' if one['undone_at'] else '' if one['finished_at'] else ', not finished: run it again'}"
        )
    if not told:
        click.echo("Nothing was brought over yet. See: consent-service import --help")


@imports_group.command("invite")
@click.argument("batch_id", metavar="BATCH")
@terminal.fails_clearly
def invite(batch_id: str) -> None:
    """Ask those of a batch whose permission nobody can prove, a few at a time, as the limits of mails allow."""
    service = terminal.load_service()
    schema.upgrade(service.engine)
    with service.transaction() as connection:
        _known(imports.find(connection, batch_id))
        invited = import_rows.invite(connection, batch_id, services.now())
    click.echo(f"{invited} people will be asked, a few at a time, while the relay runs.")


@imports_group.command("forget")
@click.argument("email", metavar="ADDRESS")
@click.option("--objects", is_flag=True, help="They want no marketing ever again: never ask them, whoever brings them.")
@terminal.fails_clearly
def forget(email: str, *, objects: bool) -> None:
    """Erase somebody who only waits to be asked, at their wish."""
    address, service = terminal.read_address(email), terminal.load_service()
    schema.upgrade(service.engine)
    with service.transaction() as connection:
        forgotten = imports.erase(connection, service.occasion("terminal", "terminal"), address.key, objects=objects)
        person = subscribers.find_by_key(connection, address.key)
    if forgotten is None:
        place = f"{service.settings.public_url}/staff/subscribers/{person.id}/erase" if person else ""
        known = f" Who was asked already, or is a subscriber, is erased at {place}" if person else ""
        terminal.stop(f"Nobody with this address waits to be asked.{known}")
    click.echo("Erased, and never asked again." if objects else "Erased.")
    if forgotten.is_told:
        click.echo("The relay has their contact at ActiveCampaign deleted.")
    elif service.forwards:
        click.echo("If ActiveCampaign has a contact with this address, delete it there.")


@imports_group.command("undo")
@click.argument("batch_id", metavar="BATCH")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@terminal.fails_clearly
def undo(batch_id: str, as_json: bool) -> None:
    """Erase the people a batch brought here, except those who have done anything since; can be run again."""
    service = terminal.load_service()
    terminal.refuse_elsewhere(service)
    schema.upgrade(service.engine)
    with service.transaction() as connection:
        _known(imports.find(connection, batch_id))
        waited = imports.begin_undo(connection, service.occasion("terminal", "terminal"), batch_id)
        ids = imports.members(connection, batch_id)
    counted = Counter({"waited": waited})
    with click.progressbar(length=len(ids), label="Undoing", file=sys.stderr) as bar:
        for first in range(0, len(ids), SLICE):
            counted += _undo_slice(service, ids[first : first + SLICE])
            bar.update(len(ids[first : first + SLICE]))
    for _ in chores.list_leaves(service):
        pass
    told = {name: counted[name] for name in (imports.UNDONE, "waited", imports.ACTED, imports.BUSY)}
    if as_json:
        click.echo(json.dumps(told))
        return
    click.echo(
        f"{told['undone']} people erased, and {told['waited']} who waited to be asked. "
        f"{told['acted']} have done something since, or must be kept, and stay."
    )
    if told["busy"]:
        terminal.stop(f"{told['busy']} are on their way to ActiveCampaign just now. Run this again in a minute.")


def _undo_slice(service: Service, ids: Sequence[str]) -> Counter[str]:
    with service.transaction() as connection:
        results = [imports.undo(connection, service.occasion("terminal", "terminal"), one) for one in ids]
    return Counter(filter(None, results))


def _batch(service: Service, source: str, said: dict[str, Any]) -> Batch:
    today = day_of(services.now())
    day = import_claims.read_day(said["day"]) if said["day"] else None
    if said["day"] and (day is None or day > today):
        terminal.stop("Give the day as 2024-01-31 or 31.1.2024; it must have been.")
    claim = Claim(said["grade"], day, said["form_number"])
    return Batch(source, terminal.read_name(said["staff_name"]), claim, said["code"], service.controller, today)


def _bring_over(service: Service, batch: Batch, slices: Iterable[Sequence[Line]], *, dry_run: bool) -> list[Outcome]:
    outcomes: list[Outcome] = []
    if not dry_run:
        with service.transaction() as connection:
            imports.begin(connection, service.occasion("terminal", "terminal"), batch)
    try:
        with click.progressbar(slices, label="Importing", file=sys.stderr) as bar:
            for lines in bar:
                outcomes += _take(service, batch, lines, dry_run=dry_run)
    except BaseException:  # also who is interrupted, or whose disk is full, has to know which batch that was
        if not dry_run:
            click.echo(_so_far(batch, outcomes), err=True)
        raise
    if not dry_run:
        with service.transaction() as connection:
            imports.finish(connection, batch.id, services.now())
    return outcomes


def _take(service: Service, batch: Batch, lines: Sequence[Line], *, dry_run: bool) -> list[Outcome]:
    if dry_run:
        with service.reading() as connection:
            return imports.preview(connection, service.occasion("terminal", "terminal"), batch, lines)
    with service.transaction() as connection:
        return imports.add(connection, service.occasion("terminal", "terminal"), batch, lines)


def _so_far(batch: Batch, outcomes: Sequence[Outcome]) -> str:
    counted = Counter(one.what for one in outcomes)
    active, waiting = counted[imports.IMPORTED], counted[imports.WAITING]
    return (
        f"Batch {batch.id} broke off: {active} imported as active so far, {waiting} kept until they are asked. Run "
        f"it again to go on, or take it back: consent-service import undo {batch.id}"
    )


def _report(batch: Batch, outcomes: Sequence[Outcome], *, dry_run: bool, as_json: bool) -> None:
    counted = Counter(one.what for one in outcomes)
    skipped = [one for one in outcomes if one.what in REASONS]
    told = {"imported": counted[imports.IMPORTED], "waiting": counted[imports.WAITING]}
    if as_json:
        rows = [{"row": one.number, "reason": one.what} for one in skipped]
        batch_id = None if dry_run else batch.id
        click.echo(json.dumps({"batch": batch_id, "dry_run": dry_run, **told, "skipped": rows}, indent=2))
        return
    row = "row" if batch.source == imports.FILE else "contact"
    for one in skipped:
        click.echo(f"{row} {one.number}: {REASONS[one.what]}")
    would = "would be " if dry_run else ""
    click.echo(
        f"{told['imported']} {would}imported as active, {told['waiting']} {would}kept until they are asked, "
        f"{len(skipped)} {would}skipped."
    )
    if not dry_run:
        click.echo(f"This is batch {batch.id}. To take it back: consent-service import undo {batch.id}")
        if told["waiting"]:
            click.echo(f"To ask those who wait: consent-service import invite {batch.id}")


def _told(batch: Row[Any], waiting: int, invited: int) -> dict[str, Any]:
    values = {name: _as_text(value) for name, value in batch._mapping.items()}
    return values | {"still_waiting": waiting, "invited": invited}


def _as_text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _known(batch: Row[Any] | None) -> None:
    if batch is None:
        terminal.stop("There is no such batch. See: consent-service import list")
