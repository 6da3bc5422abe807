"""The programs that are compared: how each is started, what it is told, and the CPU that its processes take.

All under the same gunicorn settings, each in a folder and a database of its own. Ours runs as its operator runs it, in
production mode, with nothing changed but limits raised, the pause before a form and the pace of calls (`unhurried`).
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import click

from bench import bare as yardstick
from bench.doubles import LIST_ID, LOOPBACK, TOKEN
from bench.load import Ways
from consent_service.config import EXAMPLE_CONTROLLER
from tests.servers.port import LoopbackPort

ROOT = Path(__file__).parents[1]
PYTHON = Path(sys.executable)
SCRIPT = PYTHON.with_name("consent-service")
PROCESSES, THREADS = 2, 4
PATIENCE_S = 60
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="  # for a database that is thrown away
GUNICORN = (
    "-m", "gunicorn", "--worker-class", "gthread", "--workers", str(PROCESSES), "--threads", str(THREADS),
    "--log-level", "warning", "--no-control-socket",
)  # fmt: skip

OURS = Ways(
    form="/subscribe?lang=fi",
    fields={"first_name": "Aino", "last_name": "Mäkelä", "consent": "yes"},
    link=re.compile(r"https?://\S+/confirm/[^\s>]+"),
    hidden=re.compile(r'name="(csrf_token)" value="([^"]+)"'),
    mails=2,
)
BARE = Ways(
    form="/subscribe",
    fields={"first_name": "Aino", "last_name": "Mäkelä", "consent": "yes"},
    link=re.compile(r"https?://\S+/confirm/\S+"),
)
HELLO = Ways(form="/subscribe", fields=OURS.fields, mails=0, forwards=False)
NEWSLETTER = Ways(
    form="/newsletter/bench/subscribe/",
    fields={"name_field": "Aino Mäkelä"},
    email_field="email_field",
    link=re.compile(r"https?://\S+/activate/\S+"),
    hidden=re.compile(r'name="(csrfmiddlewaretoken|user_activation_code|name_field)"[^>]*? value="([^"]*)"'),
    forwards=False,
)


class NotInstalled(Exception):
    """django-newsletter cannot be installed here."""


class Process:
    """One process with all its children; what it says goes into `<name>.log` in its folder."""

    def __init__(self, name: str, command: list[str], folder: Path, given: dict[str, str] | None = None):
        self.name, self._log = name, folder / f"{name}.log"
        kept = {key: value for key, value in os.environ.items() if not key.startswith("CONSENT_")}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the commands are ours
                command,
                cwd=folder,
                env=kept | {"PYTHONPATH": str(ROOT)} | (given or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own, so that `stop` reaches the workers too
            )

    @property
    def said(self) -> str:
        """Everything it has written so far."""
        return self._log.read_text("utf-8", errors="replace")

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def cpu_s(self) -> float:
        """CPU seconds of it and its children so far."""
        return cpu_s(self._process.pid)

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait_for(self, port: int) -> None:
        """Wait until pages are served on a port."""
        end = time.monotonic() + PATIENCE_S
        while self._process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError), urlopen(f"http://{LOOPBACK}:{port}/healthz", timeout=5):
                return
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"{self.name} does not serve\n{self.said}")

    def stop(self) -> None:
        """Ask it to end, and see that nothing of it is left."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@dataclass(frozen=True)
class Program:
    """A program that runs: what it is called, how it is used, where, and its processes by what they do."""

    name: str
    ways: Ways
    port: int
    processes: dict[str, Process]

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds of each of its processes so far."""
        return {role: process.cpu_s() for role, process in self.processes.items()}

    @property
    def said(self) -> str:
        """The newest of what its processes have written."""
        return "\n".join(f"{self.name}, {role}: {process.said[-500:]}" for role, process in self.processes.items())

    def stop(self) -> None:
        """End all of it."""
        for process in self.processes.values():
            process.stop()


def environment(database_url: str, smtp_url: str, account_url: str, port: int) -> dict[str, str]:
    """What our service is told; whoever fills a database for it tells the same."""
    return {
        "CONSENT_MODE": "production",
        "CONSENT_PUBLIC_URL": "https://bench.example",
        "CONSENT_DATABASE_URL": database_url,
        "CONSENT_SECRET_KEYS": KEY,
        "CONSENT_DATA_KEYS": KEY,
        "CONSENT_LOG_KEY": KEY,
        "CONSENT_SMTP_URL": smtp_url,
        "CONSENT_MAIL_FROM": "Keinuma <uutiskirje@keinuma.example>",
        "CONSENT_CONTROLLER_FILE": str(EXAMPLE_CONTROLLER),
        "CONSENT_ACTIVECAMPAIGN_URL": account_url,
        "CONSENT_ACTIVECAMPAIGN_TOKEN": TOKEN,
        "CONSENT_ACTIVECAMPAIGN_LIST_ID": str(LIST_ID),
        "CONSENT_LIMIT_IP": "100000/second",
        "CONSENT_LIMIT_GLOBAL": "1000000/hour;10000000/day",
        "CONSENT_FORM_MIN_S": "0",
        "CONSENT_SEAL_EVERY_S": "2",  # oftener than usual, so that every round pays for its seals
        "CONSENT_WEB_PROCESSES": str(PROCESSES),
        "CONSENT_WEB_THREADS": str(THREADS),
        "PORT": str(port),
    }


def ours(name: str, folder: Path, database_url: str, smtp_url: str, account_url: str) -> Program:
    """Start our service with everything on, on a database that may have been prepared."""
    folder.mkdir(parents=True, exist_ok=True)
    with _port() as port:
        given = environment(database_url, smtp_url, account_url, port)
        web = Process("web", [str(SCRIPT), "web"], folder, given)
        web.wait_for(port)
    relay = Process("relay", [str(PYTHON), "-m", "bench.unhurried"], folder, given)
    return Program(name, OURS, port, {"web": web, "relay": relay})


def bare(name: str, folder: Path, database_url: str, smtp_url: str, account_url: str) -> Program:
    """Start the yardstick."""
    yardstick.prepare(database_url)
    told = ", ".join(repr(one) for one in (database_url, smtp_url, account_url))
    return _gunicorn(name, BARE, folder, f"bench.bare:make_app({told})")


def hello(name: str, folder: Path, *_: str) -> Program:
    """Start the floor."""
    return _gunicorn(name, HELLO, folder, "bench.hello:app")


def newsletter(name: str, folder: Path, database_url: str, smtp_url: str, _account_url: str) -> Program:
    """Start django-newsletter; raises NotInstalled when its environment cannot be made."""
    python = _newsletter_python()
    told = ", ".join(repr(one) for one in (database_url.removeprefix("sqlite:///"), smtp_url))
    command = [str(python), "-c", f"from bench import newsletter; newsletter.prepare({told})"]
    subprocess.run(command, check=True, cwd=ROOT)  # noqa: S603 - the command is ours
    return _gunicorn(name, NEWSLETTER, folder, f"bench.newsletter:make_app({told})", python)


def _newsletter_python() -> Path:
    """Make django-newsletter's environment, unless it is there, and return its Python."""
    folder, done = Path(sys.prefix) / "newsletter", Path(sys.prefix) / "newsletter/done"
    python = folder / "bin/python"
    lock = ROOT / "requirements/bench.txt"
    if done.exists() and done.read_bytes() == lock.read_bytes():
        return python
    click.echo("Installing django-newsletter into an environment of its own (once) …", err=True)
    pip = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "-r",
        str(lock),
    ]
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)  # noqa: S603
        subprocess.run(pip, check=True)  # noqa: S603
    except subprocess.CalledProcessError as error:
        raise NotInstalled from error
    done.write_bytes(lock.read_bytes())
    return python


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and of all its children, those that have ended too (proc(5), `/proc/PID/stat`)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()
    except FileNotFoundError:  # it ended meanwhile; its parent has the sum
        return 0.0
    return sum(int(ticks) for ticks in stat[11:15]) * TICK_S + sum(cpu_s(int(child)) for child in children)


def _gunicorn(name: str, ways: Ways, folder: Path, app: str, python: Path = PYTHON) -> Program:
    folder.mkdir(parents=True, exist_ok=True)
    with _port() as port:
        web = Process(name, [str(python), *GUNICORN, "--bind", f"{LOOPBACK}:{port}", app], folder)
        web.wait_for(port)
    return Program(name, ways, port, {"web": web})


@contextlib.contextmanager
def _port() -> Iterator[int]:
    """A free port that nobody else gets while its server starts: as long as we do not listen, the server may."""
    held = LoopbackPort()
    try:
        yield held.number
    finally:
        held.release()
