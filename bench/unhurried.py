"""`consent-service relay` against an account that takes calls as fast as they come: the same relay with a gap of none.

The budget of four calls a second is ActiveCampaign's rule and no setting. Every call still takes its turn in the
database; only nobody waits for it.
"""

import signal
import threading
from dataclasses import replace
from datetime import timedelta

import click

from consent_service import relay
from consent_service.activecampaign.pacing import CallBudget
from consent_service.commands import terminal
from consent_service.delivery.relaying import Channel
from consent_service.service import Service


class Unhurried(Service):
    """The service, with turns to call that follow each other at once."""

    def channels(self, budget: CallBudget) -> list[Channel]:
        """The service's own lanes."""
        return super().channels(replace(budget, gap=timedelta(0)))


@click.command()
@terminal.fails_clearly
def main() -> None:
    """Do what `consent-service relay` does."""
    usual = terminal.load_service()
    service, stop = Unhurried(usual.settings, usual.controller), threading.Event()
    terminal.await_database(service)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    relay.run(service, stop)


if __name__ == "__main__":
    main()
