"""Structured logs: one line an event, JSON in production, readable in development.

What is logged is named by the caller, ids and outcomes only. As a last guard, a value that looks like an address or a
long token is blotted out, and so are the messages of other libraries' exceptions. A line that cannot be written, as on
a full disk, is lost, and the work goes on without it.
"""

import contextlib
import io
import json
import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, TextIO, cast

import structlog

from consent_service.config import Settings

ADDRESS = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+")
QUOTES_A_REQUEST = ("Invalid request", "Error handling request")
SHORTEST_TOKEN = 40
ENCODER = json.JSONEncoder(default=str)  # made once, as each line would otherwise make one
TOKEN = re.compile(rf"[A-Za-z0-9_\-.]{{{SHORTEST_TOKEN},}}")


def configure(settings: Settings) -> None:
    """Send this process's logs to standard error."""
    readable = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    last = readable if settings.is_development else _as_json
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.add_log_level,
            _blot_out,
            last,
        ],
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _Unfailing())),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s", stream=sys.stderr, force=True)
    logging.getLogger("gunicorn.error").filters[:] = [_Retold()]


def failure(error: Exception) -> dict[str, object]:
    """What a line about an unexpected error says: its kind, and where as file:line, the innermost last.

    Never what it says itself: that may quote what it was about.
    """
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    return {"error": type(error).__name__, "where": places[-12:]}


class _Unfailing(io.TextIOBase):
    """Standard error, or nothing where it cannot be written to."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


class _Retold(logging.Filter):
    """Tells what gunicorn has to say in our own form; what it quotes of a request, line or address, is left out."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Log the record as an event, and let gunicorn itself say nothing."""
        says = record.getMessage().partition("\n")[0]
        says = next((plain for plain in QUOTES_A_REQUEST if says.startswith(plain)), says)
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        structlog.get_logger().log(record.levelno, "web server", says=says, error=error)
        return False


def _as_json(_logger: object, _name: str, entry: MutableMapping[str, Any]) -> str:
    return ENCODER.encode(entry)


def _blot_out(_logger: object, _name: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in entry.items():
        if isinstance(value, str):
            entry[name] = _blotted(value)
    return entry


def _blotted(value: str) -> str:
    if "@" in value:
        value = ADDRESS.sub("…", value)
    if len(value) >= SHORTEST_TOKEN:
        value = TOKEN.sub("…", value)
    return value.replace("\r", " ").replace("\n", " ")
