"""Google, Meta, ActiveCampaign and Instagram on loopback: they set cookies and send news home as soon as they run.

What the company's pages load of them does what the real scripts do where a consent banner can go wrong: Meta's snippet
takes an `fbq` that is there already for its own, and ActiveCampaign's follows nobody before it is allowed to.
"""

from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from .https import HttpsSite

GOOGLE = """
const send = (what) => new Image().src = "%(url)s/g/collect?" + what;
for (const name of ["_ga", "_ga_G1"]) document.cookie = `${name}=GS1.1; path=/; max-age=63072000; domain=%(above)s`;
send("loaded");
"""
META = """
document.cookie = "_fbp=fb.1; path=/; max-age=7776000; domain=%(above)s";
localStorage.setItem("_fbc", "1");
let may = true, waiting = [];
const home = ([what, value]) => {
  if (what === "consent") may = value === "grant";
  if (what === "track") waiting.push(value);
  if (may) waiting.splice(0).forEach((event) => { new Image().src = "%(url)s/tr?" + event; });
};
fbq.queue.forEach(home);
fbq.callMethod = (...call) => home(call);
"""
ACTIVECAMPAIGN = """
let follows = false;
const done = (call) => {
  const [what, value] = call;
  if (what === "setTrackByDefault") follows = value;
  if (what !== "process" || !(follows || value === "allowTracking")) return;
  document.cookie = "prism_1=1; path=/; max-age=2592000";
  new Image().src = "%(url)s/prism";
};
(vgo.q || []).forEach(done);
window.vgo = (...call) => done(call);
"""
INSTAGRAM = "<!doctype html><title>Instagram</title><p>Instagram"


class Trackers(HttpsSite):
    """All of them under one address; use it with `with`. `asked` holds the paths they were asked for, in order."""

    def __init__(self, above: str) -> None:
        self.above = above
        self.asked: list[str] = []
        super().__init__("www.seuranta.example", self._handler())

    def answer(self, path: str) -> tuple[str, str]:
        """Return type and content of what lies under a path."""
        scripts = {"/gtag/js": GOOGLE, "/fbevents.js": META, "/diffuser.js": ACTIVECAMPAIGN}
        if path in scripts:
            return "text/javascript", scripts[path] % {"url": self.url, "above": self.above}
        return ("text/html", INSTAGRAM) if path == "/embed" else ("image/gif", "")

    def _handler(trackers) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                trackers.asked.append(path)
                kind, content = trackers.answer(path)
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(content.encode())

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
