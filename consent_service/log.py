"""Structured logs: one line an event, JSON in production, readable in development.

What is logged is named by the caller, ids and outcomes only. As a last guard, a value that looks like an address or a
long token is blotted out, and so are the messages of other libraries' exceptions.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from consent_service.config import Settings

ADDRESS = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+")
TOKEN = re.compile(r"[A-Za-z0-9_\-.]{40,}")


def configure(settings: Settings) -> None:
    """Send this process's logs to standard error."""
    last = structlog.dev.ConsoleRenderer() if settings.is_development else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.add_log_level,
            _blot_out,
            last,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s", stream=sys.stderr, force=True)


def _blot_out(_logger: object, _name: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in entry.items():
        if isinstance(value, str):
            entry[name] = TOKEN.sub("…", ADDRESS.sub("…", value)).replace("\r", " ").replace("\n", " ")
    return entry
