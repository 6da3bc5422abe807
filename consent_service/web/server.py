"""gunicorn with our settings: threads that fit a small machine, and no access log, since paths hold tokens."""

import gc
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
            "bind": f"{settings.host}:{settings.port}",
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
