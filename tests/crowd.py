"""Many people at once: they ask through the use case and not page by page, which would take minutes."""

from collections.abc import Iterable

from consent_service import subscriptions
from consent_service.asks import Ask
from consent_service.language import language
from consent_service.people import read_address
from tests.household import Household

FINNISH = language("fi")


def ask(house: Household, emails: Iterable[str]) -> list[str]:
    """Let people with these addresses ask for the newsletter, all in one transaction; their ids."""
    terms, ids = house.service.terms(FINNISH), []
    with house.service.transaction() as connection:
        for email in emails:
            names = {"first_name": "Aino", "last_name": "Mäkelä", "language": "fi"}
            wish = Ask(address=read_address(email), terms=terms, **names)
            ids.append(subscriptions.request(connection, house.occasion("visitor", "form"), wish, ()).subscriber_id)
    return ids
