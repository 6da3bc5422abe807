"""The company's own web site on loopback, over https under a name of its own, with a strict Content-Security-Policy.

Its pages hold the tools that wait for a visitor's yes in the very words of docs/website.md: the snippets of Google,
Meta and ActiveCampaign as those give them out, with the number 1 for `…` and their scripts on loopback.
"""

import re
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .https import HttpsSite

ABOVE = "yritys.example"
NONCE = "bm9uY2U"
GUIDE = Path(__file__).parents[2] / "docs/website.md"
WAITING = '<script type="text/plain" '
MAKERS = (
    "https://www.googletagmanager.com/",
    "https://connect.facebook.net/en_US/",
    "https://diffuser-cdn.app-us1.com/diffuser/",
)
PAGE = """<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Yritys</title>
<link rel="stylesheet" href="/style.css">
<script src="{banner}/cookie-banner.js?lang={lang}" defer></script>
{snippets}
</head>
<body>
<header><a href="/?lang={lang}" id="first">Yritys</a></header>
<main>
<h1>Yritys</h1>
<iframe data-cookies="marketing" data-src="{trackers}/embed" title="Instagram" width="300" height="200"></iframe>
{text}
<p><a href="/other?lang={lang}" id="last">Other</a></p>
</main>
{footer}
</body>
</html>
"""
OWN_FOOTER = '<footer><a href="/cookies" data-cookie-settings>Our own link to the settings</a></footer>'
STYLE = "body { margin: 1rem; font: 16px/1.5 sans-serif; } button { color: red; } * { letter-spacing: 0.01em; }"


def snippets(trackers: str) -> str:
    """Return the guide's snippets, which load from these trackers and may run under the site's policy."""
    blocks = re.findall(r"^```html\n(.*?)^```", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    found = "".join(block for block in blocks if block.startswith(WAITING)).replace("…", "1")
    for maker in MAKERS:
        assert maker in found, f"the guide has no snippet that loads from {maker}"
        found = found.replace(maker, f"{trackers}/")
    return found.replace(WAITING, f'{WAITING}nonce="{NONCE}" ')


class SiteWithCookies(HttpsSite):
    """The site; use it with `with`. `banner` is where the service is; `/own` has a link of its own to the settings."""

    def __init__(self, trackers: str) -> None:
        self.trackers, self.banner = trackers, ""
        super().__init__(f"www.{ABOVE}", self._handler())

    @property
    def policy(self) -> str:
        """What the pages may load and run: no inline style, and of inline scripts those with the nonce."""
        return (
            f"default-src 'none'; script-src {self.banner} {self.trackers} 'nonce-{NONCE}'; connect-src {self.banner}; "
            f"style-src 'self'; img-src {self.trackers}; frame-src {self.trackers}; base-uri 'none'; form-action 'none'"
        )

    def page(self, path: str) -> str:
        """Return the page under a path."""
        parts = urlsplit(path)
        return PAGE.format(
            lang=parse_qs(parts.query).get("lang", ["fi"])[0],
            banner=self.banner,
            snippets=snippets(self.trackers),
            trackers=self.trackers,
            text="<p>Words that fill the page, so that there is something to scroll.</p>\n" * 40,
            footer=OWN_FOOTER if parts.path == "/own" else "",
        )

    def _handler(site) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_style = self.path == "/style.css"
                content = (STYLE if is_style else site.page(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/css" if is_style else "text/html")
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Content-Security-Policy", site.policy)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
