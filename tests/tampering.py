"""Tampering with a household's ledger, and what the audit says to it."""

from sqlalchemy import select, text, update

from consent_service import database
from consent_service import service as services
from consent_service.ledger import audit
from consent_service.models.ledger import consent_event
from tests.actors import Visitor

AT_PLACE = 4


class Undone(Exception):
    """A change is taken back."""


KEPT: dict[str, bytes] = {}  # the files of the first household that lived in this test process


def lived_in(open_house, url, folder):
    """A household after several people's whole stories, under three checkpoints and with an event that waits.

    On SQLite it lives once, and each later one is opened on a copy of its files.
    """
    for place, content in KEPT.items() if url.startswith("sqlite") else ():
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_bytes(content)
    house = open_house(url)
    if house.count():
        return house
    for number in range(3):
        aino = Visitor(house, f"p{number}@example.com").becomes_active()
        house.service.seal()
    aino.leave()
    house.service.seal()
    Visitor(house, "waits@example.com").subscribe()
    if url.startswith("sqlite"):
        with house.service.engine.connect() as connection:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        KEPT.update({place: (folder / place).read_bytes() for place in ("consent.db", "var/anchors.jsonl")})
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
    assert (found.event, found.place) == (row.id, row.log_index + 1), found
    assert found.checkpoint >= found.place
    return True


def flipped(content):
    return content[:-1] + bytes([content[-1] ^ 1])


def ids_of(house, subscriber_id):
    with house.service.reading() as connection:
        mine = select(consent_event.c.id).where(consent_event.c.subscriber_id == subscriber_id)
        return connection.execute(mine).scalars().all()
