"""The HTTP side of the ActiveCampaign server: kept-alive lines, and the ways of not answering on one."""

import contextlib
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from .activecampaign_answers import Asked
from .activecampaign_faults import Reply

Answerer = Callable[[Asked, str | None], tuple[Reply, float]]


class Wire(ThreadingMixIn, TCPServer):
    """Listens in a thread, with one more thread for every open line; ends them all when it stops."""

    allow_reuse_address = True
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], answerer: Answerer) -> None:
        self.answerer = answerer
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name="activecampaign")

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Close the port, drop every line and wait for the threads."""
        self.stopping.set()
        self.shutdown()
        self._thread.join()
        with self._lock:
            for line in self._open:
                _end(line)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Register the line."""
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the line."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report mistakes of this server; a caller that went away is not one."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One line."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Wire

    def _turn(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reply, pause_s = self.server.answerer(Asked(self.command, self.path, raw), self.headers.get("Api-Token"))
        self.server.stopping.wait(pause_s)
        if reply.ending == "reset":
            self._reset()
        self.close_connection = reply.ending != "answer" or self.close_connection
        if reply.ending == "answer":
            self._send(reply)

    do_GET = do_POST = do_PUT = do_DELETE = _turn

    def _send(self, reply: Reply) -> None:
        assert reply.status is not None
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def _reset(self) -> None:
        """Close with RST: no lingering, and no orderly shutdown before the close."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet; the calls are recorded."""


def _end(line: socket.socket) -> None:
    """Wake the thread that reads from this line."""
    with contextlib.suppress(OSError):  # gone already
        line.shutdown(socket.SHUT_RDWR)
