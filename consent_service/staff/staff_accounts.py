"""The accounts of the company's own people: invited by mail, one role each, changed, ended; never without an owner.

A mailed link carries the state of its account, which changes when a link was used: each opens once. Whoever has no
password yet is invited; whoever is ended keeps a row, so that the log of access can be read. Must not commit or read a
clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, delete, select, update

from consent_service.database import insert_if_absent
from consent_service.delivery import outbox
from consent_service.language import mark
from consent_service.ledger.vault import Vault
from consent_service.limits import allowance
from consent_service.limits.allowance import Window
from consent_service.models.delivery import outbox_message
from consent_service.models.staff import passkey, recovery_code, staff
from consent_service.people import Address

OWNER, STAFF, READER = "owner", "staff", "reader"
ROLES = {OWNER: mark("Owner"), STAFF: mark("Staff"), READER: mark("Reader")}
INVITATION, RECOVERY = "staff_invitation", "staff_recovery"
RECOVERY_MAILS = (Window(1, timedelta(minutes=5)), Window(3, timedelta(minutes=30)))  # as long as a link works
RULE = "staff_account"


@dataclass(frozen=True)
class Colleague:
    """Whom an account is for, what they may do, and in which language they are written to."""

    address: Address
    name: str
    role: str
    language: str


class LastOwner(Exception):
    """Nobody else could manage accounts: there has to be another owner first."""


def everybody(connection: Connection) -> Sequence[Row[Any]]:
    """Return every account: those in use first, each by name."""
    return connection.execute(select(staff).order_by(staff.c.active.desc(), staff.c.name, staff.c.email)).all()


def find(connection: Connection, account_id: str) -> Row[Any] | None:
    """Return one account."""
    return connection.execute(select(staff).where(staff.c.id == account_id)).one_or_none()


def find_by_address(connection: Connection, address: Address) -> Row[Any] | None:
    """Return the account with an address."""
    return connection.execute(select(staff).where(staff.c.email == address.key)).one_or_none()


def add(connection: Connection, colleague: Colleague, password_hash: str, now: datetime) -> bool:
    """Add an account with a password and return True. If it exists, set this name, role and password, return False.

    Either way it is in use, without a second step, and no session or link from before goes on. Raises LastOwner.
    """
    account_id = _insert(connection, colleague, password_hash, now)
    if account_id is None:
        found = find_by_address(connection, colleague.address)
        if found is not None:
            if colleague.role != OWNER:
                _keep_an_owner(connection, found.id)
            _start_anew(connection, found.id, name=colleague.name, role=colleague.role, password=password_hash)
    return account_id is not None


def invite(connection: Connection, colleague: Colleague, now: datetime) -> str | None:
    """Make an account that waits for its password, mail the link, and return its id; None when there is one."""
    account_id = _insert(connection, colleague, "", now)
    if account_id is not None:
        outbox.enqueue(connection, outbox.MAIL, INVITATION, now, staff_id=account_id)
    return account_id


def invite_again(connection: Connection, account_id: str, now: datetime) -> None:
    """Let an account begin anew with a mailed link: no password, no second step, no session, no earlier link.

    Raises LastOwner when it is the one account that could invite.
    """
    _keep_an_owner(connection, account_id)
    _start_anew(connection, account_id, password="")
    outbox.enqueue(connection, outbox.MAIL, INVITATION, now, staff_id=account_id)


def change_role(connection: Connection, account_id: str, role: str) -> None:
    """Give an account another role, from its next request on; raises LastOwner."""
    if role != OWNER:
        _keep_an_owner(connection, account_id)
    connection.execute(update(staff).where(staff.c.id == account_id).values(role=role))


def end(connection: Connection, account_id: str, now: datetime) -> None:
    """End an account, all its sessions and links; raises LastOwner."""
    _keep_an_owner(connection, account_id)
    values = {"active": False, "ended_at": now} | _fresh()
    connection.execute(update(staff).where(staff.c.id == account_id, staff.c.active).values(values))


def end_sessions(connection: Connection, account_id: str) -> None:
    """End every session of an account; whoever has the password may log in again."""
    connection.execute(update(staff).where(staff.c.id == account_id).values(fs_uniquifier=uuid4().hex))


def ask_recovery(connection: Connection, keys: Vault, address: Address, now: datetime) -> None:
    """Mail a link to set a new password, if there is such an account: the same is written either way.

    Any stranger may ask. When another mail would be too many, the mailbox holds a link that works.
    """
    found = find_by_address(connection, address)
    counted = f"recovery:{keys.address_hash(found.link_state if found else address.key)}"
    is_free = allowance.spend(connection, counted, RECOVERY_MAILS, now) <= now
    outbox.enqueue(connection, outbox.MAIL, RECOVERY, now, staff_id=found.id if found and is_free else None)


def behind_link(connection: Connection, account_id: str, state: str, kind: str) -> Row[Any] | None:
    """Return the account a link opens; None when the link was used, or what it was for has passed."""
    found = find(connection, account_id)
    if found is None or not found.active or found.link_state != state:
        return None
    return found if bool(found.password) == (kind == RECOVERY) else None


def set_password(connection: Connection, account_id: str, state: str, password_hash: str) -> bool:
    """Set the password of whoever has the link, which opens nothing any more; False when another was first."""
    mine = (staff.c.id == account_id, staff.c.link_state == state, staff.c.active)
    values = {"password": password_hash} | _fresh()
    return connection.execute(update(staff).where(*mine).values(values)).rowcount == 1


def forget(connection: Connection, account_ids: Sequence[str]) -> None:
    """Forget accounts that ended long ago."""
    connection.execute(delete(outbox_message).where(outbox_message.c.staff_id.in_(account_ids)))
    connection.execute(delete(staff).where(staff.c.id.in_(account_ids)))


def _insert(connection: Connection, colleague: Colleague, password_hash: str, now: datetime) -> str | None:
    account = {
        "id": str(uuid4()),
        "email": colleague.address.key,
        "name": colleague.name,
        "role": colleague.role,
        "language": colleague.language,
        "password": password_hash,
        "active": True,
        "created_at": now,
    }
    return account["id"] if insert_if_absent(connection, staff, account | _fresh()) else None  # type: ignore[return-value]


def _start_anew(connection: Connection, account_id: str, **values: str) -> None:
    anew = {"active": True, "ended_at": None, "app_sealed": None, "app_step": None} | _fresh() | values
    connection.execute(update(staff).where(staff.c.id == account_id).values(anew))
    for table in (passkey, recovery_code):
        connection.execute(delete(table).where(table.c.staff_id == account_id))


def _fresh() -> dict[str, Any]:
    """What ends every session and every mailed link of an account."""
    return {"fs_uniquifier": uuid4().hex, "link_state": uuid4().hex}


def _keep_an_owner(connection: Connection, account_id: str) -> None:
    """Hold every owner's row, so that two at once cannot each rely on the other."""
    can_manage = (staff.c.role == OWNER, staff.c.active, staff.c.password != "")
    held = select(staff.c.id).where(*can_manage).order_by(staff.c.id).with_for_update()
    owners = connection.execute(held).scalars().all()
    if account_id in owners and len(owners) == 1:
        raise LastOwner
