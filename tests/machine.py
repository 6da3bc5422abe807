"""Another program of the company, with a key that staff made for it: it sends JSON and reads what it is answered."""

from typing import Any

import requests

from consent_service import api_keys
from consent_service import service as services
from tests.household import Household

PROBLEM = "application/problem+json"
SITE = "www.keinuma.example"
NAME = "Varausjärjestelmä"


class Machine:
    """A program that asks; `problem` reads a refusal."""

    def __init__(self, house: Household, *scopes: str, name: str = NAME):
        self.house, self.http = house, house.http
        wanted = frozenset(scopes or api_keys.SCOPES)
        with house.service.transaction() as connection:
            self.id = api_keys.new_id()
            made = api_keys.make(connection, self.id, name, wanted, "Heidi", services.now())
        assert made is not None
        self.key = made

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request with the key."""
        headers = {"Authorization": f"Bearer {self.key}"} | options.pop("headers", {})
        return self.http.request(method, f"{self.house.url}/api/v1{path}", headers=headers, timeout=20, **options)

    def post(self, path: str, said: object, once: str | None = None) -> requests.Response:
        """Send a body; `once` names the request so that it is carried out once."""
        return self.ask("POST", path, json=said, headers={"Idempotency-Key": once} if once else {})

    def texts(self, code: str = "fi") -> dict[str, Any]:
        """Today's texts with their token."""
        answer = self.ask("GET", f"/consent-texts?lang={code}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def says(self, email: str = "aino@example.com", **changes: object) -> dict[str, Any]:
        """The body that asks somebody who was just shown the texts; `consent` is changed value by value."""
        consent = {"token": self.texts()["token"], "site": SITE} | changes.pop("consent", {})
        names = {"first_name": "Aino", "last_name": "Mäkelä", "email": email, "language": "fi"}
        return names | {"consent": consent} | changes

    def subscribe(self, email: str = "aino@example.com", once: str | None = None, **changes: object):
        """Ask somebody."""
        return self.post("/subscriptions", self.says(email, **changes), once)

    def withdraw(self, email: str, once: str | None = None) -> requests.Response:
        """Pass on that somebody wants no newsletter."""
        return self.post("/withdrawals", {"email": email}, once)

    def status(self, email: str) -> dict[str, Any]:
        """How an address stands."""
        answer = self.post("/status", {"email": email})
        assert answer.status_code == 200, answer.text
        return answer.json()


def refused(answer: requests.Response, status: int) -> dict[str, str]:
    """Hold an answer against what every refusal is, and return its faults by field."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, PROBLEM), answer.text
    told = answer.json()
    assert (told["status"], told["type"]) == (status, "about:blank")
    assert told["title"] and told["detail"] and told["reference"]
    return {fault["field"]: fault["message"] for fault in told["errors"]}
