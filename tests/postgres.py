"""A throw-away PostgreSQL cluster of the test run's own, from the binaries of the system."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

OPTIONS = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200"


def binaries() -> Path | None:
    """Where `initdb` and `pg_ctl` are, newest version first, or None."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]), reverse=True)
    if versions:
        return versions[0].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


@contextmanager
def cluster(folder: Path, options: str = OPTIONS) -> Iterator[str]:
    """Start a cluster in a folder, made unless it is there, yield the URL of its `postgres` database, and stop it."""
    programs, data, port = binaries(), folder / "data", _free_port()
    assert programs is not None
    folder.mkdir(parents=True, exist_ok=True)
    user = _own(folder)
    if not data.exists():
        _run(user, [programs / "initdb", "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"])
    start = f"{options} -p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
    _run(user, [programs / "pg_ctl", "-D", data, "-o", start, "-l", folder / "log", "-w", "start"])
    try:
        yield f"postgresql://tests@127.0.0.1:{port}/postgres"
    finally:
        _run(user, [programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"])


def restart(folder: Path) -> None:
    """End the cluster in a folder as a power cut would, and start it again with the same options."""
    programs, data = binaries(), folder / "data"
    assert programs is not None
    user = pwd.getpwuid(folder.stat().st_uid).pw_name if os.geteuid() == 0 else None
    _run(user, [programs / "pg_ctl", "-D", data, "-m", "immediate", "-l", folder / "log", "-w", "restart"])


def keep_every_commit(url: str) -> None:
    """Have a cluster that was started to be quick keep what it acknowledged through a `restart`."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER ROLE tests SET synchronous_commit = on")


def _own(folder: Path) -> str | None:
    """Give the folder to the user whom the cluster runs as, and name them: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    owner = pwd.getpwnam("postgres")
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    return owner.pw_name


def _run(user: str | None, command: list[object]) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True, user=user, cwd="/")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
