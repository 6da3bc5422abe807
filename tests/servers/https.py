"""A web server on loopback that speaks TLS under a name a browser is told to find here."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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
