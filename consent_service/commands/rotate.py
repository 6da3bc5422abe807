"""The command `rotate-keys`: brings what there is under the newest keys, and says which old one may be dropped.

Contains no rule.
"""

import json
import sys
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import click

from consent_service import chores, rotation
from consent_service import service as services
from consent_service.commands import terminal
from consent_service.ledger import checkpoint, key_changes, sealer
from consent_service.rotation import Hashes
from consent_service.service import Service

RESTART_FIRST = (
    "Restart `web` and `relay` first: while they lack the newest key in CONSENT_DATA_KEYS, they could not read what is "
    "wrapped under it."
)
ONLY_ONE = "there is one key only."
LINKS = (
    "the first one signs. An old one that is dropped takes along every link it has signed: confirmation links, which "
    "live for seven days, and unsubscribe links in newsletters and mails, which live for years; whoever presses a dead "
    "one has to type their address at /unsubscribe. For new links in newsletters run: consent-service doctor --setup"
)
HANDED_OVER = (
    "all but the first may be dropped now, as the backups from before; the log itself, and /log/key-changes, tell "
    "which keys it had."
)
NOT_HANDED_OVER = "keep the old ones: not of each of them does the log tell that it handed over to the first."


@dataclass(frozen=True)
class Done:
    """What was done and is left, for scripts: numbers, and times in UTC."""

    secret_keys: int
    data_keys: int
    rewrapped: int
    data_key_in_use_since: str | None
    old_data_keys_needed_until: str | None
    objections_under_old_data_keys: int
    old_data_keys_may_be_dropped: bool
    log_keys: int
    log_key_changes: int
    old_log_keys_needed_until: str | None
    old_log_keys_may_be_dropped: bool


@click.command("rotate-keys")
@click.option("--json", "as_json", is_flag=True, help="Print what was done and what is left as JSON.")
@terminal.fails_clearly
def rotate_keys(as_json: bool) -> None:
    """Bring everything under the newest keys while the service runs, and say which old ones may be dropped.

    Before, put each new key first in CONSENT_SECRET_KEYS, CONSENT_DATA_KEYS or CONSENT_LOG_KEY, keep the old one behind
    it, and restart `web` and `relay`. Can be stopped and given again.
    """
    service = terminal.load_service()
    terminal.refuse_elsewhere(service)
    terminal.await_database(service)
    rewrapped = _rewrap(service)
    service.seal()
    done = _done(service, rewrapped)
    click.echo(json.dumps(asdict(done), indent=2) if as_json else "\n".join(_words(done)))


def note_use(service: Service, process: str) -> None:
    """Note that a process has the keys of today."""
    with service.transaction() as connection:
        rotation.note_use(connection, service.vault, process, services.now())


def _rewrap(service: Service) -> int:
    with service.reading() as connection:
        waiting, everybody = rotation.waiting(connection, service.vault), rotation.people(connection)
        since = rotation.in_use_since(connection, service.vault)
    if waiting and since is None:
        terminal.stop(RESTART_FIRST)
    if waiting:
        with click.progressbar(length=everybody, label=f"Wrapping {waiting} keys anew", file=sys.stderr) as bar:
            for looked_at in chores.rewrap(service):
                bar.update(looked_at)
    with service.reading() as connection:
        left = rotation.waiting(connection, service.vault)
    if left:
        terminal.stop(f"{left} keys came in under an old data key meanwhile. {RESTART_FIRST} Then give this again.")
    return waiting


def _done(service: Service, rewrapped: int) -> Done:
    keys = service.settings
    with service.reading() as connection:
        since = rotation.in_use_since(connection, service.vault)
        hashes = rotation.hashed_before(connection, since) if since else Hashes(None, 0)
    backups_end = since + timedelta(days=service.controller.backups_kept_days) if since else None
    until = max((end for end in (hashes.until, backups_end) if end), default=None)
    is_over = hashes.objections == 0 and until is not None and until <= services.now()
    changes, log_until = _log(service)
    is_log_over = log_until is not None and log_until <= services.now()
    return Done(
        len(keys.secret_keys), len(keys.data_keys), rewrapped, _time(since), _time(until), hashes.objections,
        is_over, len(keys.log_key), changes, _time(log_until), is_log_over,
    )  # fmt: skip


def _log(service: Service) -> tuple[int, datetime | None]:
    """How many changes of the log's key are told, and until when a backup that an older one signed may be put back.

    None where the newest key does not vouch for all older ones.
    """
    with service.reading() as connection:
        changes, changed_at = len(key_changes.notes(connection)), key_changes.last_at(connection)
        known = key_changes.with_former(connection, checkpoint.Verifiers([service.signer.verifier]))
        newest = sealer.newest(connection)
    vouched = {str(verifier) for verifier in known.known}
    is_sealed = newest is not None and checkpoint.parse(newest.note).origin == service.signer.origin
    is_handed_over = is_sealed and all(str(old.verifier) in vouched for old in service.former_signers)
    if changed_at is None or not is_handed_over:
        return changes, None
    return changes, changed_at + timedelta(days=service.controller.backups_kept_days)


def _words(done: Done) -> list[str]:
    return [
        f"{done.rewrapped} people's keys were wrapped anew; all are under the newest data key now.",
        f"CONSENT_SECRET_KEYS: {LINKS if done.secret_keys > 1 else ONLY_ONE}",
        f"CONSENT_DATA_KEYS: {_data(done) if done.data_keys > 1 else ONLY_ONE}",
        f"CONSENT_LOG_KEY: {_old_log_keys(done) if done.log_keys > 1 else ONLY_ONE}",
    ]


def _data(done: Done) -> str:
    if done.data_key_in_use_since is None:
        return f"keep the old ones. {RESTART_FIRST}"
    if number := done.objections_under_old_data_keys:
        return (
            f"keep the old ones. {number} objections to marketing are kept as hashes made with them, for good; without "
            "the key those people could be asked again."
        )
    if done.old_data_keys_may_be_dropped:
        return "all but the first may be dropped now."
    until = str(done.old_data_keys_needed_until)[:10]
    return (
        f"keep the old ones until {until}: so long addresses are known by hashes made with them, or backups need them."
    )


def _old_log_keys(done: Done) -> str:
    if done.old_log_keys_needed_until is None:
        return NOT_HANDED_OVER
    if done.old_log_keys_may_be_dropped:
        return HANDED_OVER
    return (
        f"keep the old ones until {done.old_log_keys_needed_until[:10]}: a backup from before is put back only with "
        "the key that signed its log."
    )


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
