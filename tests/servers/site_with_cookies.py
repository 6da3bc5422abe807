"""The company's own web site on loopback, over https under a name of its own, with a strict Content-Security-Policy.

Its pages hold the tools that wait for a visitor's yes as its owner is told to write them (docs/cookies.md): the
snippets of Google, Meta and ActiveCampaign as those give them out.
"""

import threading
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .https import HttpsServer

ABOVE = "yritys.example"
NONCE = "bm9uY2U"
SNIPPETS = """
<script type="text/plain" data-cookies="statistics" async src="{trackers}/gtag/js?id=G-1"></script>
<script type="text/plain" data-cookies="statistics" nonce="{nonce}">
window.dataLayer = window.dataLayer || [];
function gtag(){{dataLayer.push(arguments);}}
gtag('js', new Date());
gtag('config', 'G-1');
</script>
<script type="text/plain" data-cookies="marketing" nonce="{nonce}">
!function(f,b,e,v,n,t,s){{if(f.fbq)return;n=f.fbq=function(){{n.callMethod?
n.callMethod.apply(n,arguments):n.queue.push(arguments)}};if(!f._fbq)f._fbq=n;
n.push=n;n.loaded=!0;n.version='2.0';n.queue=[];t=b.createElement(e);t.async=!0;
t.src=v;s=b.getElementsByTagName(e)[0];s.parentNode.insertBefore(t,s)}}
(window, document,'script','{trackers}/fbevents.js');
fbq('consent', 'revoke');
fbq('init', '1');
fbq('track', 'PageView');
</script>
<script type="text/plain" data-cookies="marketing" nonce="{nonce}">
(function(e,t,o,n,p,r,i){{e.visitorGlobalObjectAlias=n;e[e.visitorGlobalObjectAlias]=e[e.visitorGlobalObjectAlias]
||function(){{(e[e.visitorGlobalObjectAlias].q=e[e.visitorGlobalObjectAlias].q||[]).push(arguments)}};
e[e.visitorGlobalObjectAlias].l=(new Date).getTime();r=t.createElement("script");r.src=o;r.async=true;
i=t.getElementsByTagName("script")[0];i.parentNode.insertBefore(r,i)}})
(window,document,"{trackers}/diffuser.js","vgo");
vgo('setAccount', '1');
vgo('setTrackByDefault', false);
vgo('process');
</script>
"""
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


class SiteWithCookies:
    """The site; use it with `with`. `banner` is where the service is; `/own` has a link of its own to the settings."""

    def __init__(self, trackers: str) -> None:
        self.trackers, self.banner = trackers, ""
        self._server = HttpsServer(f"www.{ABOVE}", self._handler())
        self.url = self._server.url

    def __enter__(self) -> "SiteWithCookies":
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

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
            snippets=SNIPPETS.format(trackers=self.trackers, nonce=NONCE),
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
