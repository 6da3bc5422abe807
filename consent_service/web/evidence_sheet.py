"""The evidence sheet: one page per person that a court can read and a printer can print, for staff and for the person.

Shows what was asked, in which words, how it was answered, and where each event stands in the sealed log; checks every
receipt again while it does. Changes nothing.
"""

from flask import render_template
from sqlalchemy import Connection

from consent_service import service as services
from consent_service.notices.statements import CHANNELS, CLAIMS, DOORS, LEAVING_REASONS, ORIGINS, SHOWN
from consent_service.rights import personal_data
from consent_service.rights.personal_data import PersonalData
from consent_service.subscribers import STATUSES
from consent_service.web.visitor import service


def gather(connection: Connection, subscriber_id: str) -> PersonalData | None:
    """Return what a person's sheet is made of; None when they are not known."""
    return personal_data.gather(connection, service().vault, subscriber_id, services.now(), with_receipts=True)


def show(held: PersonalData, back: str) -> str:
    """Return a person's sheet with a link back to where the reader came from."""
    verifier = service().signer.verifier
    return render_template(
        "data/sheet.html",
        held=held,
        back=back,
        numbers=held.numbers,
        proved=personal_data.proved(held, service().verifiers),
        statuses=STATUSES,
        doors=DOORS,
        shown=SHOWN,
        channels=CHANNELS,
        reasons=LEAVING_REASONS,
        claims=CLAIMS,
        origins=ORIGINS,
        public_url=service().settings.public_url,
        log_key=str(verifier),
    )
