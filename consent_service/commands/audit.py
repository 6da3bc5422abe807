"""The command `audit`, and the audit of a service as `restore` ends with it.

Shows how far it is and, at the end, every finding, in words or as JSON; the exit code says whether there was one.
Contains no rule: what is looked at, `ledger.audit` says.
"""

import json
import sys
from dataclasses import dataclass

import click

from consent_service import database
from consent_service import service as services
from consent_service.commands import terminal
from consent_service.ledger import audit as ledger
from consent_service.ledger import key_changes
from consent_service.ledger.findings import Finding
from consent_service.service import Service
from consent_service.watch.doctor import many


@dataclass(frozen=True)
class Audited:
    """How many events and kept checkpoints were read, and what is wrong with them."""

    events: int
    anchors: int
    findings: list[Finding]

    def __str__(self) -> str:
        """The outcome, a finding a line."""
        lines = [f"✗ {finding}" for finding in self.findings]
        read = f"{many(self.events, 'event', 'events')}, {many(self.anchors, 'checkpoint', 'checkpoints')} kept outside"
        lines.append(f"{read}: {_verdict(len(self.findings))}")
        return "\n".join(lines)


@click.command("audit")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@terminal.fails_clearly
def audit(as_json: bool) -> None:
    """Hold the whole ledger against its checkpoints and say what was changed, where, and since when."""
    found = carry_out(terminal.load_service())
    told = {"events": found.events, "anchors": found.anchors, "findings": [vars(one) for one in found.findings]}
    click.echo(json.dumps(told, ensure_ascii=False, indent=2) if as_json else str(found))
    if found.findings:
        sys.exit(1)


def carry_out(service: Service) -> Audited:
    """Audit everything, with a progress bar."""
    anchors = [*service.anchors.all()]  # before the snapshot: each of them was committed before it was kept
    with database.snapshot(service.engine) as connection:
        events = ledger.count(connection)
        with click.progressbar(length=2 * events, label=f"Reading {events} events", file=sys.stderr) as bar:
            known = key_changes.with_former(connection, service.verifiers)
            findings = ledger.audit(connection, service.vault, known, anchors, services.now(), bar.update)
    return Audited(events, len(anchors), findings)


def _verdict(findings: int) -> str:
    if not findings:
        return "nothing was changed."
    told = many(findings, "fault", "faults")
    return f"{told}. Keep a copy of everything as it is, and compare with a checkpoint kept elsewhere."
