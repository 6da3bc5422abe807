"""A client of ActiveCampaign's API v3 that hides nothing."""

from typing import Any

import requests

from tests.servers.activecampaign import ActiveCampaign

ANNA = "anna@example.fi"


class Api:
    """A client of API v3 that hides nothing."""

    def __init__(self, server: ActiveCampaign) -> None:
        self.root = server.url + "/api/3/"
        self.session = requests.Session()
        self.session.headers["Api-Token"] = server.token

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self.root + path, **({"timeout": 5} | options))

    def sync(self, email: str = ANNA, **names: str) -> requests.Response:
        return self("POST", "contact/sync", json={"contact": {"email": email} | names})

    def put_on_list(self, contact: object, status: object = 1, **more: object) -> requests.Response:
        sent = {"list": 1, "contact": contact, "status": status} | more
        return self("POST", "contactLists", json={"contactList": sent})

    def emails(self, query: str = "") -> list[str]:
        return [one["email"] for one in self("GET", "contacts" + query).json()["contacts"]]
