"""Many people at once: they act through the use cases and not page by page, which would take minutes."""

from collections.abc import Iterable

from consent_service import statements, subscriptions
from consent_service.asks import Ask
from consent_service.language import language
from consent_service.people import read_address
from tests.household import Household

FINNISH = language("fi")


def ask(house: Household, emails: Iterable[str]) -> list[str]:
    """Let people with these addresses ask for the newsletter, all in one transaction; their ids."""
    consent, ids = house.service.consent_text(FINNISH).shown, []
    with house.service.transaction() as connection:
        for email in emails:
            names = {"first_name": "Aino", "last_name": "Mäkelä", "language": "fi"}
            wish = Ask(address=read_address(email), consent=consent, **names)
            ids.append(subscriptions.request(connection, house.occasion("visitor", "form"), wish, ()).subscriber_id)
    return ids


def confirm(house: Household, emails: Iterable[str]) -> None:
    """Let people press the button behind their newest link, all in one transaction."""
    page = statements.confirm(FINNISH, house.service.consent_text(FINNISH))
    links = [house.person(email).open_confirmation_id for email in emails]
    with house.service.transaction() as connection:
        for link in links:
            subscriptions.confirm(connection, house.occasion("subscriber", "confirm-link"), link, page)


def leave(house: Household, emails: Iterable[str]) -> None:
    """Let people stop, all in one transaction."""
    ids = [house.person(email).id for email in emails]
    with house.service.transaction() as connection:
        for subscriber_id in ids:
            subscriptions.unsubscribe(connection, house.occasion(), subscriber_id)
