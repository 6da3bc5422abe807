"""The command `verify`: checks a receipt with nothing but the file and a public key of the log.

Writes nothing, not even keys of development mode. Contains no rule.
"""

import json
from typing import Any, BinaryIO

import click

from consent_service import config
from consent_service.commands import terminal
from consent_service.ledger import proof
from consent_service.ledger.checkpoint import KeyUnknown, Signer, Verifier, Verifiers
from consent_service.ledger.seal import timestamp as seal_time


@click.command
@click.argument("file", type=click.File("rb"))
@click.option("--key", help="The log's public key, as /log/key shows it; default: the keys of this service.")
@click.option("--json", "as_json", is_flag=True, help="Print what the receipt proves as JSON.")
@terminal.fails_clearly
def verify(file: BinaryIO, key: str | None, as_json: bool) -> None:
    """Check a receipt; needs no database and no connection, and writes nothing."""
    verifier = Verifier.read(key) if key else _own_keys()
    try:
        found = proof.check(file.read(proof.LARGEST + 1), verifier)
    except proof.ReceiptRefused as refused:
        other = " Was it another key? Name it with --key." if isinstance(refused.__cause__, KeyUnknown) else ""
        terminal.stop(f"The proof does not hold: {refused}.{other}")
    facts = {
        "event": found.id,
        "time": seal_time(found.at),
        "log": found.checkpoint.origin,
        "index": found.index,
        "size": found.checkpoint.size,
        "says": found.payload,
        "texts": dict(found.texts),
    }
    click.echo(json.dumps(facts, ensure_ascii=False, indent=2) if as_json else _in_words(facts))


def _own_keys() -> Verifiers:
    try:
        settings, _ = config.load(makes_keys=False)
    except config.KeysMissing:
        terminal.stop("No key of a log is known here. Name the one to check with, as /log/key shows it: --key KEY")
    return Verifiers([Signer.named_after_key(key).verifier for key in settings.log_key])


def _in_words(facts: dict[str, Any]) -> str:
    said = [f"  {name}: {value}" for name, value in facts["says"].items() if name != "texts"]
    texts = [f"--- {name}\n{text.rstrip()}" for name, text in facts["texts"].items()]
    place = f"Event {facts['event']}, place {facts['index'] + 1} of {facts['size']} in the log {facts['log']}:"
    return "\n".join(["The proof is genuine.", place, *said, *texts])
