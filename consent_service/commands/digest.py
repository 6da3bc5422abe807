"""The command `digest`: on the terminal what the owner gets every Monday by mail, of the last seven days.

For whoever wants to know today, or has to see what such a mail holds. Sends nothing and contains no rule.
"""

import json
from typing import Any

import click

from consent_service import language
from consent_service import service as services
from consent_service.commands import terminal
from consent_service.language import day_of
from consent_service.watch import digest
from consent_service.watch.digest import Digest


@click.command("digest")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers and the names of what is wrong as JSON.")
@click.option("--language", "code", type=click.Choice(language.CODES), default="en", show_default=True)
@terminal.fails_clearly
def show_digest(as_json: bool, code: str) -> None:
    """Say how the last seven days were, and what needs somebody, as the owner's mail on Monday does."""
    service, now = terminal.load_service(), services.now()
    with service.reading() as connection:
        found = digest.running(connection, day_of(now), now, forwards=service.forwards)
    if as_json:
        click.echo(json.dumps(_as_json(found), indent=2))
    else:
        click.echo(service.letters.digest_text(found, language.language(code)))


def _as_json(found: Digest) -> dict[str, Any]:
    values = {**vars(found), **vars(found.week)}
    del values["week"]
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values.items()}
