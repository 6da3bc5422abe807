"""The console script: starts the processes, prepares the database, and does by hand what the pages do.

Every command that cannot do its work says in one line what to do next and exits with 1. Only `web` and `staff add`
load the web wing. Contains no rule.
"""

import gc
import io
import json
import secrets
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import click
from flask.cli import ScriptInfo, with_appcontext
from sqlalchemy import Connection

from consent_service import chores, config, language, relay, retention, schema, subscriptions
from consent_service import service as services
from consent_service.asks import Ask, StaffRequest
from consent_service.commands import import_list, rotate, terminal
from consent_service.commands.audit import audit
from consent_service.commands.backup import backup
from consent_service.commands.digest import show_digest
from consent_service.commands.reconcile import reconcile
from consent_service.commands.restore import restore
from consent_service.commands.verify import verify
from consent_service.delivery.suppression import Suppressed
from consent_service.earlier_list import import_rows
from consent_service.language import day_of
from consent_service.notices import statements
from consent_service.people import Address
from consent_service.retention_rule import Rule
from consent_service.rights import data_package, personal_data
from consent_service.service import Service
from consent_service.staff import access_log, staff_accounts
from consent_service.subscriptions import AlreadyActive, Asked, OverLimit
from consent_service.watch import doctor, request_counts


def main() -> None:
    """Run the console script."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # where the terminal lacks a letter, as stderr does anyway
    cli.main(obj=ScriptInfo(create_app=_create_app), prog_name="consent-service")


@click.group()
@click.version_option(package_name="consent-service")
def cli() -> None:
    """Ask for permission to write, prove it, forward it, take it back."""


@cli.command()
@terminal.fails_clearly
def web() -> None:
    """Serve the pages, with WEB_PROCESSES times WEB_THREADS workers."""
    from consent_service.web.server import serve  # only `web` and `staff add` load the web wing

    service = terminal.load_service()
    terminal.await_database(service)
    rotate.note_use(service, "web")
    service.engine.dispose()
    _announce(service)
    is_alone = service.settings.web_processes == 1
    with nullcontext() if is_alone else request_counts.shared(request_counts.place(service.folder)):
        serve(service)


@cli.command("relay")
@terminal.fails_clearly
def run_relay() -> None:
    """Deliver mails and forward to ActiveCampaign until stopped."""
    service = terminal.load_service()
    terminal.await_database(service)
    rotate.note_use(service, "relay")
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    relay.run(service, stop)


@cli.command()
@terminal.fails_clearly
def migrate() -> None:
    """Bring the database to this version's form; safe to repeat and to run from several places at once."""
    schema.upgrade(terminal.load_service().engine)
    click.echo("The database is up to date.")


@cli.command()
@terminal.fails_clearly
def seal() -> None:
    """Give waiting consent events their places in the log and sign it, as the relay does by itself."""
    service = terminal.load_service()
    terminal.refuse_elsewhere(service)
    found = service.seal()
    click.echo(f"The log now has {doctor.many(found.size, 'event', 'events')}." if found else "No event waits.")


@cli.command()
@click.option("--dry-run", is_flag=True, help="Count what is due, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@terminal.fails_clearly
def purge(dry_run: bool, as_json: bool) -> None:
    """Erase everything whose time is up, as the relay does every day at noon."""
    service = terminal.load_service()
    if not dry_run:
        terminal.refuse_elsewhere(service)
        terminal.await_database(service)
    with service.reading() as connection:
        due = {rule: retention.due(connection, rule, services.now()) for rule in retention.RULES if rule.end}
    ended = Counter[Rule]()
    if not dry_run:
        gc.freeze()  # or all of it would be looked through for garbage in a slice, a tenth of a second
        with click.progressbar(length=sum(due.values()), label="Purging", file=sys.stderr) as bar:
            for rule, rows in chores.purge(service):
                ended[rule] += rows
                bar.update(rows)
        if chores.is_tidied_fast(service):  # else the relay does it in the night
            chores.tidy(service)
    report = [{"rule": rule.key, "due": due[rule], "ended": ended[rule]} for rule in due]
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    for rule, rows in due.items():
        said = f"{rows} due" if dry_run else f"{ended[rule]} erased"
        click.echo(f"{rule.key}: {said} - {rule.what}, {rule.period}")


@cli.command()
@click.argument("email", metavar="ADDRESS")
@click.option("--to", "path", required=True, type=click.Path(dir_okay=False, path_type=Path), help="A file to make.")
@terminal.fails_clearly
def export(email: str, path: Path) -> None:
    """Write everything held of one person into a zip, the same that they can download themselves."""
    address, service = terminal.read_address(email), terminal.load_service()
    with service.snapshot() as connection:
        held = personal_data.find(connection, service.vault, address, services.now())
        waits = import_rows.find(connection, address.key)
    if held is None and waits is not None:
        terminal.stop(f"Only a row of batch {waits.batch_id} is held; it waits to be asked. /my-data mails all of it.")
    if held is None:
        terminal.stop("Nothing is held about this address.")
    terminal.write_new(path, data_package.package(held, service.origin()))
    click.echo(f"Written: {path}. It holds personal data; delete it when it has been handed over.")
    if held.there.fetched_at is None:
        click.echo("What ActiveCampaign holds is not in it; fetch it first, on the person's page under /staff/.")


@cli.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--setup", is_flag=True, help="First make at ActiveCampaign what is missing there; safe to repeat.")
@terminal.fails_clearly
def examine(as_json: bool, setup: bool) -> None:
    """Check settings, database, mail, ActiveCampaign, keys and clock, and say what to do about what is wrong."""
    try:
        service = terminal.load_service()
        findings = [doctor.set_up(service, _show_links)] if setup else []
        findings += doctor.examine(service)
    except config.SettingsRefused as error:
        findings = [doctor.Finding("settings", "wrong", str(error))]
    if as_json:
        click.echo(json.dumps([vars(finding) for finding in findings], ensure_ascii=False, indent=2))
    else:
        for finding in findings:
            click.echo(f"{doctor.MARKS[finding.state]} {finding.part}: {finding.says}")
    if any(finding.state == "wrong" for finding in findings):
        sys.exit(1)


for command in (verify, audit, reconcile, show_digest, backup, restore, rotate.rotate_keys):
    cli.add_command(command)


def _show_links(people: int, slices: Iterator[int]) -> None:
    with click.progressbar(length=people, label="Unsubscribe links", file=sys.stderr) as bar:
        for queued in slices:
            bar.update(queued)


@cli.group("staff")
def staff() -> None:
    """Accounts of the company's own people."""


@staff.command("add")
@click.argument("email")
@click.option("--name", required=True, help="The name people see in mails: who added them.")
@click.option("--role", type=click.Choice(list(staff_accounts.ROLES)), help="Default: owner for the first, else staff.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of making one.")
@with_appcontext
@terminal.fails_clearly
def add_staff(email: str, name: str, role: str | None, password_stdin: bool) -> None:
    """Add an account, or let one that is there begin anew, with a new password; prints a password it made once."""
    from consent_service.web import accounts  # only `web` and `staff add` load the web wing

    address, service = terminal.read_address(email), terminal.load_service()
    password = sys.stdin.readline().rstrip("\n") if password_stdin else secrets.token_urlsafe(12)
    if len(password) < accounts.SHORTEST_PASSWORD:
        terminal.stop(f"The password needs at least {accounts.SHORTEST_PASSWORD} characters.")
    schema.upgrade(service.engine)
    with service.transaction() as connection:
        known = staff_accounts.find_by_address(connection, address)
        role = role or (known.role if known else "staff" if staff_accounts.everybody(connection) else "owner")
        colleague = staff_accounts.Colleague(address, terminal.read_name(name), role, language.DEFAULT)
        is_new = _changed(
            lambda: staff_accounts.add(connection, colleague, accounts.password_hash(password), services.now())
        )
        _note_staff(connection, service, address, "staff add")
    told = "The account was there: it has a new password and no second step, and its sessions have ended."
    click.echo(f"Added, as {role}." if is_new else told)
    click.echo(f"Log in at {service.settings.public_url}/staff/login")
    if not password_stdin:
        click.echo(f"Password, shown only now: {password}")


@staff.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the accounts as JSON.")
@terminal.fails_clearly
def list_staff(as_json: bool) -> None:
    """List the accounts."""
    with terminal.load_service().reading() as connection:
        found = staff_accounts.everybody(connection)
    shown = ("email", "name", "role", "active", "created_at")
    if as_json:
        rows = [{key: getattr(one, key) for key in shown} | {"created_at": one.created_at.isoformat()} for one in found]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for one in found:
        state = "disabled" if not one.active else "active" if one.password else "invited"
        click.echo(f"{one.email}  {one.name}  {one.role}  {state}")
    if not found:
        click.echo("No accounts yet. Add the first one with: consent-service staff add ADDRESS --name NAME")


@staff.command("disable")
@click.argument("email")
@terminal.fails_clearly
def disable_staff(email: str) -> None:
    """End an account and all its sessions at once."""
    service, address = terminal.load_service(), terminal.read_address(email)
    with service.transaction() as connection:
        known = staff_accounts.find_by_address(connection, address)
        if known is None:
            terminal.stop("There is no account with this address. See: consent-service staff list")
        _changed(lambda: staff_accounts.end(connection, known.id, services.now()))
        _note_staff(connection, service, address, "staff disable")
    click.echo("Disabled.")


def _changed(change: Callable[[], Any]) -> Any:
    try:
        return change()
    except staff_accounts.LastOwner:
        terminal.stop("This is the last owner. Add another one first: consent-service staff add ADDRESS --role owner")


def _note_staff(connection: Connection, service: Service, address: Address, what: str) -> None:
    account = staff_accounts.find_by_address(connection, address)
    occasion = service.occasion("terminal", "terminal")
    access_log.note(connection, occasion, "changed", what, f"account:{account.id}" if account else None)


cli.add_command(import_list.imports_group)


@cli.group("subscriber")
def subscriber() -> None:
    """People who get the newsletter."""


@subscriber.command("add")
@click.argument("email")
@click.option("--first-name", required=True)
@click.option("--last-name", required=True)
@click.option("--language", "code", type=click.Choice(language.CODES), default="fi", show_default=True)
@click.option("--staff-name", required=True, help="Who of the company was asked; named in the mail.")
@click.option("--channel", type=click.Choice(list(statements.CHANNELS)), required=True, help="How the person asked.")
@click.option("--occasion", required=True, help="On what occasion; named in the mail.")
@click.option("--asked-on", type=click.DateTime(["%Y-%m-%d"]), help="Day of asking; default today.")
@terminal.fails_clearly
def add_subscriber(email: str, code: str, **said: Any) -> None:
    """Mail a confirmation to somebody who asked; they become active only by their own answer."""
    service, spoken, now = terminal.load_service(), language.language(code), services.now()
    today = day_of(now)
    asked_on: date = said["asked_on"].date() if said["asked_on"] else today
    if asked_on > today:
        terminal.stop("Give today or an earlier day.")
    request = StaffRequest(
        "terminal",
        terminal.read_name(said["staff_name"]),
        said["channel"],
        terminal.read_name(said["occasion"]),
        asked_on,
    )
    ask = Ask(
        address=terminal.read_address(email),
        first_name=terminal.read_name(said["first_name"]),
        last_name=terminal.read_name(said["last_name"]),
        language=code,
        terms=service.terms(spoken),
        staff=request,
    )
    terminal.bring_up_to_date(service)
    with service.transaction() as connection:
        occasion = service.occasion("terminal", "terminal")
        result = subscriptions.add_by_staff(connection, occasion, ask, service.address_limit)
    _report(result)


def _report(result: subscriptions.Requested) -> None:
    match result:
        case Asked():
            click.echo("A confirmation mail is on its way. Nothing more happens unless the person confirms.")
        case AlreadyActive():
            terminal.stop("This person is a subscriber already; nothing was sent.")
        case OverLimit(from_minute=until):
            again = f"{language.language('en').moment(until)}, Helsinki time"
            terminal.stop(f"This address has been written to already; it may be again from {again}.")
        case Suppressed(reason=reason):
            terminal.stop(f"This address must not be written to ({reason}); nothing was sent.")


def _create_app() -> Any:
    from consent_service.web import create_app  # only `web` and `staff add` load the web wing

    try:
        return create_app(terminal.load_service())
    except config.SettingsRefused as error:
        terminal.stop(str(error))


def _announce(service: Service) -> None:
    click.echo(f"Consent Service is at {service.settings.public_url}/subscribe")
    if service.settings.is_development:
        click.echo(f"Mail can be read at {service.settings.public_url}/dev/mail")
        click.echo(f"A web site with all of it is at {service.settings.public_url}/dev/site")
