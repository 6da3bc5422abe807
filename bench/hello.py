"""The floor: what gunicorn alone takes for the same four requests."""

from collections.abc import Callable, Iterable
from typing import Any

PAGE = b"Hello, world!" * 10


def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer everything alike."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(PAGE)))])
    return [PAGE]
