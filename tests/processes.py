"""The service as its operator runs it: the console script in real processes, with nothing but the environment.

`run` runs one command to its end. `running` starts `web` and `relay` and gives a household around them, so that every
actor of the stories works with it; the processes can be stopped, killed in the middle of their work, and started again.
"""

import base64
import contextlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import requests

from consent_service import service as services
from consent_service.config import Settings
from consent_service.service import Service
from consent_service.watch import request_counts
from consent_service.web import create_app
from tests import made_once
from tests.command import obey
from tests.household import CONTROLLER, Household, settings
from tests.servers.activecampaign import ActiveCampaign
from tests.servers.port import LoopbackPort
from tests.servers.smtp import MailServer

OURS_TOO = ("HOST", "PORT", "MAKELEVEL", "MAKEFLAGS", "MFLAGS")  # `make test` hands the latter down
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.command", "tests.preloaded"])
ASKING = threading.Lock()  # how a process ended can be read once: of two threads that ask, one would learn nothing
PATIENCE_S = 60  # a machine full of tests may take its time


def environment(given: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of a terminal, with no settings of ours but those given; warnings are errors there too."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    return {name: value for name, value in kept.items() if name not in OURS_TOO} | {
        "PYTHONWARNINGS": "error,ignore:PluginImportFixer:ImportWarning",  # pygal looks for maps in an old way
        **(given or {}),
    }


def variables(wanted: Settings) -> dict[str, str]:
    """Settings as an operator writes them: one `CONSENT_` variable each."""
    values = wanted.model_dump() | {
        "secret_keys": ",".join(wanted.secret_keys),
        "data_keys": ",".join(base64.b64encode(key).decode() for key in wanted.data_keys),
        "log_key": ",".join(base64.b64encode(key).decode() for key in wanted.log_key),
        "allowed_origins": ",".join(wanted.allowed_origins),
    }
    ours = {f"CONSENT_{name.upper()}": str(value) for name, value in values.items() if value not in (None, "")}
    return {name: value for name, value in ours.items() if name not in ("CONSENT_HOST", "CONSENT_PORT")} | {
        "HOST": wanted.host,
        "PORT": str(wanted.port),
    }


def run(folder: Path, *words: str, given: dict[str, str] | None = None, typed: str = "") -> subprocess.CompletedProcess:
    """Run one command in a folder to its end, with what is typed into it."""
    with tempfile.TemporaryDirectory() as named:
        streams = [Path(named) / number for number in ("0", "1", "2")]
        streams[0].write_text(typed, "utf-8")
        process = begin(folder, words, environment(given), streams)
        code = exit_code(process, PATIENCE_S)
        if code is None:
            os.killpg(process.pid, signal.SIGKILL)
            raise TimeoutError(f"not done in {PATIENCE_S} s: {words[:2]}")
        out, err = (stream.read_text("utf-8") for stream in streams[1:])
    return subprocess.CompletedProcess(words, code, out, err)


def begin(*arguments: object) -> BaseProcess:
    """Fork a process that obeys."""
    process = FORKS.Process(target=obey, args=arguments)
    with ASKING:
        process.start()  # asks in passing how all the others are
    return process


def exit_code(process: BaseProcess, patience_s: float = 0) -> int | None:
    """How a process ended, or None while it runs."""
    wait([process.sentinel], patience_s)
    with ASKING:
        return process.exitcode


class Daemon:
    """One process that runs until told otherwise, with all its children; what it says goes into `<name>.log`."""

    def __init__(self, name: str, folder: Path, given: dict[str, str]):
        self.name, self._folder, self._given = name, folder, given
        self._log = folder / f"{name}.log"
        self._process: BaseProcess | None = None

    def start(self) -> None:
        """Start it, unless it runs."""
        if not self.runs:
            streams = [Path(os.devnull), self._log, self._log]
            self._process = begin(self._folder, (self.name,), environment(self._given), streams)

    def ask_to_stop(self) -> None:
        """Ask it to end (SIGTERM), and do not wait for it."""
        assert self._process is not None, f"{self.name} was never started"
        self._process.terminate()

    def stop(self) -> int:
        """Ask it to end and return its exit code."""
        self.ask_to_stop()
        assert self._process is not None
        code = exit_code(self._process, PATIENCE_S)
        assert code is not None, f"{self.name} does not end"
        return code

    def signal(self, number: int) -> None:
        """Send a signal to it and all its workers."""
        assert self._process is not None, f"{self.name} was never started"
        with contextlib.suppress(ProcessLookupError):  # it has no group of its own yet
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """Kill it (SIGKILL) with all its workers, as a power cut would."""
        assert self._process is not None, f"{self.name} was never started"
        if self.runs:  # once reaped, its number may belong to somebody else's group
            with contextlib.suppress(ProcessLookupError):  # it died this very moment, or has no group of its own yet
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            exit_code(self._process, PATIENCE_S)

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid or 0

    @property
    def runs(self) -> bool:
        """Whether it is alive."""
        return self._process is not None and exit_code(self._process) is None

    @property
    def said(self) -> str:
        """Everything it has written so far."""
        return self._log.read_text("utf-8", errors="replace") if self._log.exists() else ""


class Running(Household):
    """A household whose pages and relay are processes of their own; `deliver` waits for the relay."""

    def __init__(
        self,
        folder: Path,
        service: Service,
        mail: MailServer,
        contacts: ActiveCampaign,
        port: LoopbackPort,
        relays: int = 1,
    ):
        super().__init__(service, create_app(service), mail, contacts, f"http://127.0.0.1:{port.number}")
        given = variables(service.settings)
        self.folder, self.given, self._port = folder, given, port
        self.web_process = Daemon("web", folder, given)
        self.relay_processes = [Daemon("relay", folder, given) for _ in range(relays)]
        self.relay_process = self.relay_processes[0]

    def start(self) -> None:
        """Start what does not run, and wait until the pages answer."""
        self._port.release()
        for process in self._processes:
            process.start()
        self.wait_for(self._answers, "the pages answer")

    def stop(self) -> tuple[int, ...]:
        """Ask all to end; their exit codes."""
        codes = tuple(process.stop() for process in self._processes)
        self._port.hold()
        return codes

    def kill(self) -> None:
        """Kill all without warning."""
        for process in self._processes:
            process.kill()
        self._port.hold()

    @property
    def _processes(self) -> list[Daemon]:
        return [self.web_process, *self.relay_processes]

    def run(self, *words: str, typed: str = "") -> subprocess.CompletedProcess:
        """Run another command with the same settings in the same folder."""
        return run(self.folder, *words, given=self.given, typed=typed)

    def deliver(self, at_most: int = 1000) -> list:
        """Wait until the relay has done all it can do now."""
        self.wait_for(lambda: not any(self._is_due(message) for message in self.messages()), "nothing is due")
        return []

    def wait_for(self, holds, what: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until something holds, or fail and say what the processes said."""
        end = time.monotonic() + patience_s
        while not holds():
            assert time.monotonic() < end, f"not in {patience_s} s: {what}\n{self.said}"
            assert self.web_process.runs, f"web has ended\n{self.said}"
            time.sleep(0.05)

    @property
    def said(self) -> str:
        """Everything the processes have written."""
        return self.web_process.said + self.relay_process.said

    @property
    def http(self) -> requests.Session:
        """Like a browser behind the proxy that speaks https: cookies marked Secure come back too."""
        session = super().http
        session.hooks["response"].append(_as_over_https)
        return session

    def _at(self, path: str) -> str:
        public_url = self.settings.public_url
        return self.url + path.removeprefix(public_url) if path.startswith(public_url) else super()._at(path)

    def _answers(self) -> bool:
        try:
            return self.get("/healthz").status == 200
        except requests.ConnectionError:
            return False

    @staticmethod
    def _is_due(message) -> bool:
        return message.done_at is None and message.dead_at is None and message.due_at <= services.now()


def _as_over_https(answer: requests.Response, **_: object) -> None:
    headers = answer.raw._original_response.msg
    cookies = headers.get_all("Set-Cookie", [])
    del headers["Set-Cookie"]
    for cookie in cookies:
        headers["Set-Cookie"] = cookie.replace("; Secure", "")


@contextlib.contextmanager
def running(
    folder: Path, database_url: str, mail: MailServer, contacts: ActiveCampaign, relays: int = 1, **given: object
):
    """Start `web` and `relay` on a free port; both are dead at the end, whatever happens."""
    port = LoopbackPort()
    usual = {
        "port": port.number,
        "public_url": f"http://127.0.0.1:{port.number}",
        "smtp_url": mail.url,
        "activecampaign_url": contacts.url,
        "activecampaign_token": contacts.token,
        "activecampaign_list_id": contacts.list_id,
    }
    service = Service(settings(database_url, **(usual | given)), CONTROLLER, folder / "var")
    made_once.migrate(service)
    house = Running(folder, service, mail, contacts, port, relays)
    try:
        house.start()
        yield house
    finally:
        house.kill()
        port.release()
        house.close()
        house.service.engine.dispose()
        shutil.rmtree(request_counts.place(folder / "var"))
