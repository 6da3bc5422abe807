"""gunicorn with our settings: threads that fit a small machine, and no access log, since paths hold tokens.

Where there is a worker for each processor, or two or more, each keeps to one: Python uses one at a time, and threads
that hand it to each other across processors find nothing of theirs in the caches.
"""

import contextlib
import gc
import os
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from consent_service.service import Service
from consent_service.web import create_app

LONGEST_LINE = 8190
LONGEST_END_S = 20  # to end what is under way when told to stop
LONGEST_IDLE_S = 130  # longer than proxies keep a line (Caddy 120 s), or one would write a form into a closing line


class Server(BaseApplication):
    """One gunicorn for one service; each worker builds its own application after the fork."""

    def __init__(self, service: Service):
        self._service = service
        super().__init__()

    def load_config(self) -> None:
        """Give gunicorn its settings."""
        settings = self._service.settings
        given: dict[str, Any] = {
            "bind": settings.authority,
            "workers": settings.web_processes,
            "threads": settings.web_threads,
            "worker_class": "gthread",
            "accesslog": None,
            "loglevel": "warning",
            "graceful_timeout": LONGEST_END_S,
            "keepalive": LONGEST_IDLE_S,
            "umask": 0o077,
            "limit_request_line": LONGEST_LINE,
            "forwarded_allow_ips": "",
            "pre_fork": _choose_processor,
            "post_fork": _keep_to_processor,
            "proc_name": "consent-service",
            "control_socket_disable": True,  # it would be written into the home folder, which is read-only
        }
        for name, value in given.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Build the application in a worker."""
        app = create_app(self._service)
        gc.freeze()  # what is there now stays, and need not be looked through for garbage
        return app


def serve(service: Service) -> None:
    """Serve until stopped."""
    Server(service).run()


def _choose_processor(arbiter: Any, worker: Any) -> None:
    """Note for a worker to come the processor that fewest of the others have; None where some would have more."""
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    taken = [other.processor for other in arbiter.WORKERS.values()]
    is_even = usable and arbiter.num_workers % len(usable) == 0
    worker.processor = min(usable, key=taken.count) if is_even else None


def _keep_to_processor(_arbiter: Any, worker: Any) -> None:
    if worker.processor is not None:
        with contextlib.suppress(OSError):  # a system that forbids it, or has taken the processor away meanwhile
            os.sched_setaffinity(0, {worker.processor})
