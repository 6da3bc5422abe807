"""The command `backup`: one encrypted file with everything, made while the service runs.

Contains no rule.
"""

import base64
import json
import sys
from pathlib import Path

import click

from consent_service import service as services
from consent_service.backup import backups, encrypted_file
from consent_service.backup.backups import Facts
from consent_service.backup.encrypted_file import Keys
from consent_service.commands import terminal
from consent_service.service import Service

KEY_NEEDED = (
    "Name a file with an age key in CONSENT_BACKUP_KEY_FILE or with --key-file, and keep a copy of the key elsewhere. "
    f"Make one with: {encrypted_file.MAKE_A_KEY}"
)

key_file = click.option(
    "--key-file", type=click.Path(path_type=Path), help="A file with the age key; default: CONSENT_BACKUP_KEY_FILE."
)


@click.command
@click.argument("path", metavar="FILE", type=click.Path())
@key_file
@click.option("--json", "as_json", is_flag=True, help="Print what is in it as JSON.")
@terminal.fails_clearly
def backup(path: str, key_file: Path | None, as_json: bool) -> None:
    """Write an encrypted backup, and open it again before it counts; the service may run meanwhile.

    FILE is a new file, or a folder, with a slash at its end, in which to make one named after the time.
    """
    service = terminal.load_service()
    terminal.refuse_elsewhere(service)
    keys = read_keys(service, key_file)
    target = _target(path)
    with service.reading() as connection:
        rows = backups.count(connection)
    with click.progressbar(length=2 * rows, label=f"Writing and checking {rows} rows", file=sys.stderr) as bar:
        made = backups.make(service, target, keys, bar.update)
    click.echo(json.dumps(_told(target, made), indent=2) if as_json else _in_words(target, made))
    if not made.log_holds:
        terminal.stop("Its log does not lead to its newest checkpoint. Run: consent-service audit")


def _target(path: str) -> Path:
    """The file to write. A folder that is missing is not made: a disk that should be there may be away."""
    if Path(path).is_dir():
        return Path(path) / f"consent-{services.now():%Y%m%dT%H%M%SZ}.age"
    folder = path if path.endswith("/") else str(Path(path).parent)
    if not Path(folder).is_dir():
        terminal.stop(f"There is no folder {folder} here. If no disk is missing, make it: install -d -m 700 {folder}")
    return Path(path)


def read_keys(service: Service, path: Path | None) -> Keys:
    """Return the keys that are to be used, or end."""
    path = path or service.settings.backup_key_file
    return encrypted_file.read_keys(path) if path else terminal.stop(KEY_NEEDED)


def _told(path: Path, made: Facts) -> dict[str, object]:
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "made_at": made.header.made_at.isoformat(),
        "rows": made.contents.rows,
        "log": {"size": made.size, "root": base64.b64encode(made.root).decode()},
    }


def _in_words(path: Path, made: Facts) -> str:
    rows, size = sum(made.contents.rows.values()), path.stat().st_size
    return f"{path}: {rows} rows, {made.events} events, {size} bytes. It was opened again, and all of it is there."
