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
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from bench.doubles import LIST_ID, LOOPBACK, TOKEN
from bench.load import Ways
from consent_service.config import EXAMPLE_CONTROLLER
from tests.servers.port import LoopbackPort

ROOT = Path(__file__).parents[1]
SCRIPT = Path(sys.executable).with_name("consent-service")
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
    token=re.compile(r'name="(csrf_token)" value="([^"]+)"'),
    mails=2,
)
BARE = Ways(
    form="/subscribe",
    fields={"first_name": "Aino", "last_name": "Mäkelä", "consent": "yes"},
    link=re.compile(r"https?://\S+/confirm/\S+"),
)
HELLO = Ways(form="/subscribe", fields=OURS.fields, mails=0, forwards=False)


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

    def stop(self) -> None:
        """End all of it."""
        for process in self.processes.values():
            process.stop()


def ours(folder: Path, database_url: str, smtp_url: str, account_url: str, name: str = "ours") -> Program:
    """Start our service with everything on, on a database that may have been prepared."""
    folder.mkdir(parents=True, exist_ok=True)
    port, address = _free_port(), "https://bench.example"
    given = {
        "CONSENT_MODE": "production",
        "CONSENT_PUBLIC_URL": address,
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
        "CONSENT_LIMIT_IP": "1000000/10 minutes",
        "CONSENT_LIMIT_GLOBAL": "1000000/hour;10000000/day",
        "CONSENT_FORM_MIN_S": "0",
        "CONSENT_SEAL_EVERY_S": "2",  # oftener than usual, so that every round pays for its seals
        "CONSENT_WEB_PROCESSES": str(PROCESSES),
        "CONSENT_WEB_THREADS": str(THREADS),
        "PORT": str(port),
    }
    web = Process("web", [str(SCRIPT), "web"], folder, given)
    web.wait_for(port)
    relay = Process("relay", [sys.executable, "-m", "bench.unhurried"], folder, given)
    return Program(name, OURS, port, {"web": web, "relay": relay})


def bare(folder: Path, database_url: str, smtp_url: str, account_url: str) -> Program:
    """Start the yardstick."""
    port = _free_port()
    told = ", ".join(repr(one) for one in (database_url, smtp_url, account_url))
    return _gunicorn("bare", BARE, folder, port, f"bench.bare:make_app({told})")


def hello(folder: Path) -> Program:
    """Start the floor."""
    return _gunicorn("hello", HELLO, folder, _free_port(), "bench.hello:app")


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and of all its children, those that have ended too (proc(5), `/proc/PID/stat`)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()
    except FileNotFoundError:  # it ended meanwhile; its parent has the sum
        return 0.0
    return sum(int(ticks) for ticks in stat[11:15]) * TICK_S + sum(cpu_s(int(child)) for child in children)


def _gunicorn(name: str, ways: Ways, folder: Path, port: int, app: str, python: str = sys.executable) -> Program:
    folder.mkdir(parents=True, exist_ok=True)
    web = Process(name, [python, *GUNICORN, "--bind", f"{LOOPBACK}:{port}", app], folder)
    web.wait_for(port)
    return Program(name, ways, port, {"web": web})


def _free_port() -> int:
    port = LoopbackPort()
    port.release()
    return port.number
