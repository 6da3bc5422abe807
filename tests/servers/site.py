"""The company's own web site: whatever pages a test gives it, at another origin than the service and under its policy.

It is called by name and the service by number, so to a browser they are two sites, not one with two ports.
"""

import threading
from collections.abc import Iterable
from typing import Any, Self

from werkzeug.serving import WSGIRequestHandler, make_server

from tests.servers.port import LOOPBACK


class _Silent(WSGIRequestHandler):
    def log_request(self, *_: object, **__: object) -> None:
        pass


class Site:
    """Serves `pages` (by path; `.css` is a style sheet, all else HTML) under `policy`; both may be changed."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.policy = "default-src 'self'"
        self._server = make_server(LOOPBACK, 0, self._answer, threaded=True, request_handler=_Silent)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.origin = f"http://localhost:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, asked: dict[str, Any], start: Any) -> Iterable[bytes]:
        path = asked["PATH_INFO"]
        kind = "text/css" if path.endswith(".css") else "text/html"
        head = [("Content-Type", f"{kind}; charset=utf-8"), ("Content-Security-Policy", self.policy)]
        start("200 OK" if path in self.pages else "404 Not Found", head)
        return [self.pages.get(path, "").encode()]
