"""The privacy statement as a page and as plain text: today's, and every earlier one that somebody was asked under.

What is shown comes from the very bytes that evidence keeps; opening the page keeps nothing. Contains no rule.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, g, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from consent_service.language import CODES, language
from consent_service.ledger import evidence
from consent_service.notices import privacy
from consent_service.notices.statements import ShownText
from consent_service.web.visitor import service

privacy_statement = Blueprint("privacy", __name__)

# A page of ours with its words, an address on the web, or one of mail; a full stop after it ends the sentence.
LINK = re.compile(r"\[([^\]]+)\]\((/[a-z-]+)\)|(https://\S+[^\s.,;])|([^\s@,:()]+@[^\s@,:()]+\.[a-z]+)")
VERSION = re.compile(r"[0-9a-f]{64}")
HEADINGS = {"# ": "title", "## ": "heading", "### ": "small"}


class Piece(NamedTuple):
    """Some words of the statement, and where they lead if they are a link."""

    words: str
    link: str | None = None


class Block(NamedTuple):
    """A `title`, `heading`, `small` heading, `list` or `text`; each of its lines in pieces."""

    kind: str
    lines: list[list[Piece]]


@privacy_statement.get("/privacy")
def show() -> ResponseReturnValue:
    """The statement of today, or the kept one with the hash in `version`."""
    with service().reading() as connection:
        shown = _shown(connection)
        versions = evidence.kept_versions(connection, privacy.KIND, shown.language)
    blocks = list(_blocks(shown))
    return render_template(
        "public/privacy.html",
        shown=shown,
        is_today=shown.sha256 in _today(),
        blocks=blocks,
        title=blocks[0].lines[0][0].words,
        versions=[(sha256, at) for sha256, at in versions if sha256 != shown.sha256],
        since=dict(versions).get(shown.sha256),
    )


@privacy_statement.get("/privacy.txt")
def show_text() -> ResponseReturnValue:
    """The same as the plain text it is made from; the SHA-256 of what is sent is its version."""
    with service().reading() as connection:
        shown = _shown(connection)
    response = Response(shown.content, mimetype="text/plain")
    response.headers["Content-Language"] = shown.language
    return response


def _today() -> dict[str, ShownText]:
    texts = (service().privacy_text(language(code)) for code in CODES)
    return {text.sha256: text for text in texts}


def _shown(connection: Connection) -> ShownText:
    version = request.args.get("version")
    if version is None:
        return service().privacy_text(g.language)
    if not VERSION.fullmatch(version):
        abort(404)
    kept = _today().get(version) or evidence.kept_text(connection, version)
    if kept is None or kept.kind != privacy.KIND:
        abort(404)
    return kept


def _blocks(shown: ShownText) -> Iterator[Block]:
    for block in shown.content.decode().rstrip("\n").split("\n\n"):
        mark = next((mark for mark in HEADINGS if block.startswith(mark)), None)
        if mark:
            yield Block(HEADINGS[mark], [[Piece(block.removeprefix(mark))]])
        elif block.startswith("- "):
            yield Block("list", [_pieces(line.removeprefix("- "), shown.language) for line in block.split("\n")])
        else:
            yield Block("text", [_pieces(block, shown.language)])


def _pieces(line: str, code: str) -> list[Piece]:
    pieces, end = [], 0
    for found in LINK.finditer(line):
        words, page, web, mail = found.groups()
        pieces.append(Piece(line[end : found.start()]))
        if page:
            pieces.append(Piece(words, f"{page}?{urlencode({'lang': code})}"))
        else:
            pieces.append(Piece(web, web) if web else Piece(mail, f"mailto:{mail}"))
        end = found.end()
    return [piece for piece in [*pieces, Piece(line[end:])] if piece.words]
