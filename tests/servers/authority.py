"""A time-stamp authority (RFC 3161) on loopback: its own root, its own key, and openssl to sign what it is asked."""

import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

OPENSSL = shutil.which("openssl")
SETTINGS = """
[tsa]
default_tsa = this
[this]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
ess_cert_id_alg = sha256
ess_cert_id_chain = no
ordering = yes
[signing]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
"""


class Authority:
    """Stamps whatever it is asked to; `answer` (status, body), when set, is given instead."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.answer: tuple[int, bytes] | None = None
        self.asked: list[bytes] = []
        self._make()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/tsr"

    @property
    def root(self) -> Path:
        """Its root certificate."""
        return self.folder / "root.pem"

    def __enter__(self) -> "Authority":
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def stamp(self, query: bytes) -> bytes:
        """Return the reply to a time-stamp query."""
        (self.folder / "query").write_bytes(query)
        self._openssl("ts", "-reply", "-config", "settings", "-queryfile", "query", "-out", "reply")
        return (self.folder / "reply").read_bytes()

    def _make(self) -> None:
        self.folder.mkdir(parents=True)
        (self.folder / "settings").write_text(SETTINGS.format(folder=self.folder))
        (self.folder / "serial").write_text("01\n")
        new = ("req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "3650", "-config", "settings")
        subject = ("-subj", "/CN=root of a test")
        self._openssl(*new, "-extensions", "root", "-keyout", "root.key", "-out", "root.pem", *subject)
        key = ("-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out", "tsa.csr")
        self._openssl("req", "-config", "settings", *key, "-subj", "/CN=time of a test")
        self._openssl(
            "x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial",
            "-days", "3650", "-extfile", "settings", "-extensions", "signing", "-out", "tsa.pem",
        )  # fmt: skip

    def _openssl(self, *words: str) -> None:
        subprocess.run([str(OPENSSL), *words], cwd=self.folder, check=True, capture_output=True)

    def _handler(authority) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                authority.asked.append(query)
                status, body = authority.answer or (200, authority.stamp(query))
                self.send_response(status)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
