"""An authenticator app on somebody's phone: it is given a key and shows the code of the moment (RFC 6238)."""

import base64
import hmac
import re
import struct

from consent_service import service as services


class App:
    """Reads the key off the page for setting it up."""

    def __init__(self, page):
        [typed] = re.findall(r"<code>([A-Z2-7 ]{32,})</code>", page.html)
        self._key = base64.b32decode(typed.replace(" ", ""))

    def code(self, steps: int = 0) -> str:
        """The code of now, or of some half minutes earlier or later."""
        moment = struct.pack(">Q", int(services.now().timestamp()) // 30 + steps)
        digest = hmac.digest(self._key, moment, "sha1")
        start = digest[-1] & 15
        return f"{(int.from_bytes(digest[start : start + 4]) & 0x7FFFFFFF) % 10**6:06}"
