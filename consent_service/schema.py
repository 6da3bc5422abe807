"""The form of the tables: which one they have, and the steps in `migrations/` that bring them to this version's.

Must not know a use case.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, MetaData, Table, inspect

from consent_service import database

MIGRATIONS = Path(__file__).with_name("migrations")
OLDEST = "consent_event"  # a table that every version has had


class SchemaNewer(Exception):
    """The database was migrated by a newer version of this program; run that version or a newer one."""


class SchemaForeign(Exception):
    """The database is another program's; name an empty one."""


def upgrade(engine: Engine) -> None:
    """Bring the tables to this version's form in one transaction; several processes may call it at once.

    Raises SchemaNewer when the database is ahead of this program, and SchemaForeign when it is another's.
    """
    with database.remaking(engine) as connection:
        _refuse_foreign(connection)
        migrate(connection, "head")


def migrate(connection: Connection, to: str) -> None:
    """Bring the tables to the form of a revision within `remaking`; raises SchemaNewer when it is not known here."""
    try:
        command.upgrade(_alembic(connection), to)
    except CommandError as error:
        if not isinstance(error.__cause__, ResolutionError):
            raise
        raise SchemaNewer("the database is newer than this program; start the newer version") from error


def is_migrated(connection: Connection) -> bool:
    """Whether the tables have exactly the form this version expects."""
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    return MigrationContext.configure(connection).get_current_revision() == head


def revision(connection: Connection) -> str | None:
    """Return of which form the tables are, None without any."""
    return MigrationContext.configure(connection).get_current_revision()


def tables(connection: Connection) -> list[Table]:
    """Return every table there is as it is in this database, with its columns and without the rules about them."""
    names = [name for name in inspect(connection).get_table_names() if name != "alembic_version"]
    found = MetaData()
    return [Table(name, found, autoload_with=connection, resolve_fks=False) for name in sorted(names)]


def _refuse_foreign(connection: Connection) -> None:
    names = sorted({*inspect(connection).get_table_names()} - {"alembic_version"})
    if names and OLDEST not in names:
        raise SchemaForeign(
            f"the database has a table {names[0]}, which is not this service's; name an empty one in "
            "CONSENT_DATABASE_URL"
        )


def _alembic(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
