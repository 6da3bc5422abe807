"""A house that has run for half a year: weeks gone by, customers whose time is up, and an open breach."""

from datetime import timedelta

from sqlalchemy import insert

from consent_service import breaches
from consent_service import service as services
from consent_service.breaches import Facts, Notice
from consent_service.models.watch import headcount, week
from consent_service.register import reviews
from consent_service.watch.weeks import SPAN
from tests.register import TEN_YEARS, add_paper, add_somebody


def furnish(house, first_name, last_name):
    """Put in somebody to erase, to keep and to leave alone, and an open breach."""
    now = services.now()
    gone, kept = (add_somebody(house, name, passive_for=TEN_YEARS) for name in (last_name, "Riitala"))
    add_paper(house, gone, keep_until=f"{now.year + 4}-12-31")
    add_paper(house, gone, keep_until=f"{now.year + 2}-05-05", title=None, retention_class="contract")
    limited = {"restricted_at": now, "restriction_reason": "tiedot kiistetty, selvitys kesken"}
    add_somebody(house, "Rajanen", passive_for=TEN_YEARS, first_name=first_name, **limited)
    monday = (now - timedelta(days=now.weekday())).date()
    facts = {
        "noticed_at": now - timedelta(hours=20),
        "what": "Puhelin katosi junaan " + "pitkällämatkalla" * 4,
        "happened": "Puhelin jäi junaan.\n" + "Sähköposti oli auki. " * 20,
        "kinds_of_data": "Nimiä, sähköpostiosoitteita ja valmennusten muistiinpanoja",
        "people": 12,
        "consequences": None,
        "measures": "Etätyhjennys",
        "risk": "high",
        "risk_reason": None,
    }
    with house.service.transaction() as connection:
        reviews.keep(connection, now, now.date(), kept, "avoin vaade maksamattomasta laskusta", "Heidi")
        for number in range(1, 26):
            first = monday - number * SPAN
            row = {"monday": first.isoformat(), "asked": 10 + 7 * number % 23, "confirmed": 8, "stopped": number % 4}
            connection.execute(insert(week).values(row))
            counted = {"monday": (first + SPAN).isoformat(), "active": 1200 - 20 * number}
            connection.execute(insert(headcount).values(counted))
        breach_id = breaches.add(connection, now, Facts(**facts), "Heidi")
        told = Notice("other", now - timedelta(hours=19), "Löytötavaratoimistolle lomakkeella")
        breaches.tell(connection, now, breach_id, told, "Heidi")
