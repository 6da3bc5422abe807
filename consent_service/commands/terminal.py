"""What every command of the console script shares: the service it works on, words read from its line, and its end.

A command that cannot do its work says in one line what to do next and exits with 1. Contains no rule and no command.
"""

import os
import pwd
import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click
from sqlalchemy import Row
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from consent_service import chores, config, people, schema
from consent_service import log as logs
from consent_service.backup import restore
from consent_service.backup.backup_file import BackupRefused
from consent_service.backup.encrypted_file import EncryptionRefused
from consent_service.earlier_list.import_account import AccountRefused
from consent_service.earlier_list.import_file import FileRefused
from consent_service.ledger import sealer
from consent_service.ledger.checkpoint import CheckpointRefused
from consent_service.ledger.proof import ReceiptRefused
from consent_service.ledger.sealer import SealRefused
from consent_service.ledger.vault import VaultRefused
from consent_service.line_file import LineUnreadable
from consent_service.service import Service

PATIENCE_S = 60
NOT_CONNECTED = "ActiveCampaign is not connected. Set CONSENT_ACTIVECAMPAIGN_URL, _TOKEN and _LIST_ID."
REFUSALS = (
    config.SettingsRefused,
    schema.SchemaNewer,
    schema.SchemaForeign,
    VaultRefused,
    CheckpointRefused,
    ReceiptRefused,
    SealRefused,
    LineUnreadable,
    chores.PurgeIncomplete,
    FileRefused,
    AccountRefused,
    BackupRefused,
    EncryptionRefused,
    restore.Unfinished,
)

NEXT = {  # where what is refused cannot say itself what to do
    VaultRefused: "run: consent-service doctor, then: consent-service audit",
    chores.PurgeIncomplete: "the lines above say why; mend that, then give this again",
}


def fails_clearly(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn what a command cannot do into one line on stderr and exit code 1."""

    @wraps(command)
    def run(*args: Any, **options: Any) -> Any:
        try:
            return command(*args, **options)
        except REFUSALS as error:
            stop(f"{error}; {NEXT[type(error)]}" if type(error) in NEXT else str(error))
        except SQLAlchemyError as error:
            stop(f"The database does not answer as it should ({type(error).__name__}). Try: consent-service doctor")
        except BrokenPipeError:  # as from `head`, which has read what it wanted
            raise
        except OSError as error:
            stop(f"{error.filename}: {error.strerror}{_whose(error)}" if error.filename else str(error))

    return run


def _whose(error: OSError) -> str:
    told = "; it has to belong to the user of the service, and this command is given as that user"
    return told if isinstance(error, PermissionError) else ""


def load_service() -> Service:
    """Return the service the environment describes; it is put away when the command ends."""
    _refuse_root()
    had_keys = config.has_development_keys()
    service = begin_service()
    settings = service.settings
    click.get_current_context().call_on_close(lambda: service.engine.dispose())
    if settings.is_development:
        _refuse_other_keys(service)
        is_new_world = settings.database_url == config.DATABASE and not had_keys and config.has_development_keys()
        if is_new_world:  # in the wrong folder this is not what was meant
            click.echo(f"New keys for trying out were made in {config.VAR.absolute()}", err=True)
    return service


def begin_service() -> Service:
    """Return the service the environment describes: what it writes nobody else reads, and its log names nobody."""
    os.umask(0o077)  # what is written here holds people's data
    settings, controller = config.load()
    logs.configure(settings)
    return Service(settings, controller)


def _refuse_root() -> None:
    """What root writes among the files of the service's own user, as checkpoints and notes, that user cannot read."""
    if os.geteuid() == 0 and config.VAR.exists() and (owner := config.VAR.stat().st_uid) != 0:
        try:
            name = pwd.getpwuid(owner).pw_name
        except KeyError:  # of a container, say
            name = str(owner)
        raise config.SettingsRefused(
            f"{config.VAR.absolute()} belongs to {name}. Give this command as that user, not root, or the service "
            f"could not read what it writes: su --shell /bin/bash {name}"
        )


def _refuse_other_keys(service: Service) -> None:
    """A shell that lacks the settings of a service in use would write under keys of its own, and sign the log anew."""
    newest = _newest_checkpoint(service)
    try:
        if newest:
            service.verifiers.check(newest.note)
    except CheckpointRefused:
        raise config.SettingsRefused(
            "This database belongs to a service with other keys. Load the settings of that service first."
        ) from None


def refuse_elsewhere(service: Service) -> None:
    """End in another folder than the service's: what is erased would be noted where no `restore` looks for it."""
    file = service.anchors.path
    if not file.exists() and _newest_checkpoint(service):
        stop(
            f"{file} is not in {Path.cwd()}. Give this command in the folder of the service; if the file is lost, "
            "bring back a copy or start the relay there, which begins it anew."
        )


def _newest_checkpoint(service: Service) -> Row[Any] | None:
    try:
        with service.reading() as connection:
            return sealer.newest(connection)
    except SQLAlchemyError:  # no tables yet, or no answer: whoever needs them says so
        return None


def await_database(service: Service) -> None:
    """Bring the database up to date as soon as it answers: after a power cut it may come up later than we do."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            bring_up_to_date(service)
            return
        except OperationalError:
            if time.monotonic() > end:
                raise
            click.echo("The database does not answer yet; trying again …", err=True)
            time.sleep(1)


def bring_up_to_date(service: Service) -> None:
    """Migrate; what an older database forgot holds again before anything is served, sent or asked."""
    schema.upgrade(service.engine)
    restore.refuse_unfinished(service)
    chores.repeat_notes(service)


def read_address(text: str) -> people.Address:
    """Return the address in an argument, or end."""
    try:
        return people.read_address(text)
    except people.AddressRefused:
        stop("Write one e-mail address in the form name@example.com.")


def read_name(text: str) -> str:
    """Return the name or occasion in an argument, or end."""
    try:
        return people.read_name(text)
    except people.NameRefused:
        stop("A name or occasion has 1 to 100 characters and no control characters.")


def write_new(path: Path, content: bytes) -> None:
    """Write a new file whole, or end and leave nothing of it."""
    try:
        with path.open("xb") as file:
            try:
                file.write(content)
                file.flush()
            except BaseException:  # also who is interrupted leaves no half of somebody's data behind
                path.unlink()
                raise
    except OSError as error:
        stop(f"{path}: {error.strerror}")


def stop(message: str) -> NoReturn:
    """End with one line on stderr and exit code 1."""
    click.echo(message, err=True)
    sys.exit(1)
