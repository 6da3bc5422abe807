"""What a page of ours may load and do, as browsers hold it to that (Content-Security-Policy).

Nothing from elsewhere, nothing written into the page, and no page of ours in a frame. The few with a script have it
from a file of ours.
"""

_ALWAYS = "style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
PAGE = f"default-src 'none'; form-action 'self'; {_ALWAYS}"
WITH_SCRIPT = f"default-src 'none'; script-src 'self'; form-action 'self'; {_ALWAYS}"
WITH_SCRIPT_ALONE = f"default-src 'none'; script-src 'self'; form-action 'none'; {_ALWAYS}"  # which sends nothing
PICTURE = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
WITH_SEARCH = f"default-src 'none'; script-src 'self'; connect-src 'self'; form-action 'self'; {_ALWAYS}"
DOWNLOAD = "default-src 'none'; frame-ancestors 'none'; sandbox"  # which no browser is to show at all
