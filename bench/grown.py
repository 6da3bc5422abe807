"""Databases with few and with very many people, for the same program: made once and kept, since that takes long.

Each has everything of today done, so that no purge and no comparison begins while something is measured.
"""

import sys

import click

from bench.ground import Ground
from bench.people import Population, fill
from bench.programs import KEY
from consent_service import config, schema
from consent_service import service as services
from consent_service.config import EXAMPLE_CONTROLLER, Settings
from consent_service.database import insert_or_replace
from consent_service.language import day_of
from consent_service.models.watch import daily_run
from consent_service.service import Service

DAILY = ("purge", "tidy", "reconcile", "digest", "stamp")


def name(people: int) -> str:
    """What the program on a database with so many people is called."""
    return f"{people} people"


def grown(here: Ground, people: int) -> Service:
    """Return the service on a database with so many people; filled unless it is there."""
    url, is_new = here.database(f"people{people}")
    service = service_in(here, name(people), url)
    if is_new:
        schema.upgrade(service.engine)
        with click.progressbar(length=people, label=f"{here.kind}: writing {people:,} people", file=sys.stderr) as bar:
            fill(service, Population(people), bar.update)
    today = day_of(services.now()).isoformat()
    with service.transaction() as connection:
        insert_or_replace(connection, daily_run, ["name"], *({"name": one, "done_on": today} for one in DAILY))
    return service


def service_in(here: Ground, name: str, database_url: str) -> Service:
    """The service of a program, as far as its keys, its texts and its files outside the database go."""
    given = {"secret_keys": KEY, "data_keys": KEY, "log_key": KEY, "public_url": "https://bench.example"}
    settings = Settings.model_validate(given | {"database_url": database_url})
    return Service(settings, config.read_controller(EXAMPLE_CONTROLLER), here.place(name) / "var")
