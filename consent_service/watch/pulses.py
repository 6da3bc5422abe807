"""When something last happened, by its name: a call from ActiveCampaign, a backup, a comparison put right by hand.

One row a name, the newest time only, or the newest day of what is done once a day; what has to be proved is an event
of the log instead. Must not know what a name stands for.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select

from consent_service.database import insert_or_replace
from consent_service.models.watch import daily_run, pulse

BACKUP = "backup"
LONGEST_BACKUP_GAP = timedelta(days=2)  # one is to be made every day


def beat(connection: Connection, name: str, at: datetime) -> None:
    """Note that it happened."""
    insert_or_replace(connection, pulse, ["name"], {"name": name, "at": at})


def last(connection: Connection, name: str) -> datetime | None:
    """Return when it last happened, None when it never has."""
    return connection.execute(select(pulse.c.at).where(pulse.c.name == name)).scalar_one_or_none()


def forget(connection: Connection, name: str) -> None:
    """Let it be as if it never had."""
    connection.execute(delete(pulse).where(pulse.c.name == name))


def done_on(connection: Connection, name: str) -> str:
    """Return the newest day whose work was done, an empty text before the first."""
    return connection.execute(select(daily_run.c.done_on).where(daily_run.c.name == name)).scalar_one_or_none() or ""
