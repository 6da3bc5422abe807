"""Where programs are measured: a folder that is thrown away, SQLite or a PostgreSQL of its own, and the other side."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
from sqlalchemy import create_engine, text

from bench import programs
from bench.doubles import Manner, OtherSide
from bench.programs import Program
from tests import postgres

KINDS = ("sqlite", "postgresql")
OPTIONS = "-c max_connections=200"  # otherwise as it comes out of the box, where a commit is durable


@dataclass
class Ground:
    """One kind of database, one folder, the other side, and the programs that run here."""

    kind: str
    folder: Path
    other_side: OtherSide
    cluster_url: str = ""
    running: list[Program] = field(default_factory=list)

    async def start(
        self, program: Callable[..., Program], name: str, manner: Manner | None = None, database_url: str = ""
    ) -> None:
        """Start a program with an account at ActiveCampaign and, unless one is given, a database of its own."""
        account, place = await self.other_side.open_account(manner), self.place(name)
        told = (place, database_url or self.database(f"bench{len(self.running)}")[0], self.other_side.smtp_url, account)
        self.running.append(await asyncio.to_thread(program, name, *told))

    def place(self, name: str) -> Path:
        """The folder of a program with a name."""
        return self.folder / name.replace(" ", "-")

    def database_s(self) -> float:
        """CPU seconds of the database server so far; SQLite has none, its work is done by the program."""
        if not self.cluster_url:
            return 0.0
        return programs.cpu_s(int((self.folder / "cluster/data/postmaster.pid").read_text("utf-8").split()[0]))

    def stop(self) -> None:
        """End every program."""
        for program in self.running:
            program.stop()

    def database(self, name: str) -> tuple[str, bool]:
        """Return the URL of a database with a name, and whether it is new."""
        if not self.cluster_url:
            path = self.folder / f"{name}.db"
            return f"sqlite:///{path}", not path.exists()
        through_psycopg = self.cluster_url.replace("postgresql:", "postgresql+psycopg:")
        engine = create_engine(through_psycopg, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            known = text("SELECT count(*) FROM pg_database WHERE datname = :name")
            is_new = connection.execute(known, {"name": name}).scalar_one() == 0
            if is_new:
                connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return f"{self.cluster_url.rpartition('/')[0]}/{name}", is_new


@contextlib.asynccontextmanager
async def ground(kind: str, kept: Path | None = None) -> AsyncIterator[Ground]:
    """Prepare a place, in a folder that is kept or one that is thrown away; its programs are ended with it."""
    other_side = OtherSide()
    await other_side.start()
    with _folder(kept) as folder, _place(kind, folder, other_side) as here:
        try:
            yield here
        except Exception:
            click.echo("\n".join(program.said for program in here.running), err=True)
            raise
        finally:
            here.stop()
            other_side.stop()


@contextlib.contextmanager
def _place(kind: str, folder: Path, other_side: OtherSide) -> Iterator[Ground]:
    if kind == "sqlite":
        yield Ground(kind, folder, other_side)
        return
    with postgres.cluster(folder / "cluster", OPTIONS) as url:
        yield Ground(kind, folder, other_side, url)


@contextlib.contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="consent-bench-") as named:
        Path(named).chmod(0o755)  # PostgreSQL runs as another user
        yield Path(named)
