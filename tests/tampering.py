"""Tampering with a household's ledger, and what the audit says to it."""

from sqlalchemy import select, update

from consent_service import database
from consent_service import service as services
from consent_service.ledger import audit
from consent_service.models import consent_event
from tests.actors import Visitor

AT_PLACE = 4


class Undone(Exception):
    """A change is taken back."""


def lived_in(house):
    """The same household after several people's whole stories, under three checkpoints and with an event that waits."""
    for number in range(3):
        aino = Visitor(house, f"p{number}@example.com").becomes_active()
        house.service.seal()
    aino.leave()
    house.service.seal()
    Visitor(house, "waits@example.com").subscribe()
    return house


def findings(house, now=None):
    anchors = [*house.service.anchors.all()]
    with database.snapshot(house.service.engine) as connection:
        return audit.audit(connection, house.service.vault, house.service.verifiers, anchors, now or services.now())


def audited(house, connection):
    anchors = [*house.service.anchors.all()]
    return audit.audit(connection, house.service.vault, house.service.verifiers, anchors, services.now())


def change(house, *statements):
    with house.service.transaction() as connection:
        for statement in statements:
            connection.execute(statement)


def at(house, place=AT_PLACE):
    with house.service.reading() as connection:
        return connection.execute(select(consent_event).where(consent_event.c.log_index == place)).one()


def of(row):
    return update(consent_event).where(consent_event.c.id == row.id)


def names(house, row, kind):
    [found, *_] = [finding for finding in findings(house) if finding.kind == kind]
    assert (found.event, found.place) == (row.id, row.log_index), found
    assert found.checkpoint > found.place
    return True


def flipped(content):
    return content[:-1] + bytes([content[-1] ^ 1])


def ids_of(house, subscriber_id):
    with house.service.reading() as connection:
        mine = select(consent_event.c.id).where(consent_event.c.subscriber_id == subscriber_id)
        return connection.execute(mine).scalars().all()
