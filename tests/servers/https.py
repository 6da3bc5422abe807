"""A web server on loopback that speaks TLS under a name a browser is told to find here."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from .certificate import Certificate


class HttpsServer(ThreadingHTTPServer):
    """Serves until it is closed; `url` is its address under the name."""

    request_queue_size = 64  # a browser opens many lines at once

    def __init__(self, name: str, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._certificate = Certificate()
        # Where the line is accepted nobody waits for its handshake: a browser opens some that it does not use.
        self.socket = self._certificate.context().wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )
        self.url = f"https://{name}:{self.server_port}"

    def server_close(self) -> None:
        """Close it for good."""
        super().server_close()
        self._certificate.remove()

    def handle_error(self, *_: object) -> None:
        """Let a browser hang up, as it does before it goes on in spite of an unknown certificate."""


class HttpsSite:
    """What answers at an https address, under a name, in a thread of its own; use it with `with`."""

    def __init__(self, name: str, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = HttpsServer(name, handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = self._server.url

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
