"""Somebody who asks the company about their data, and what staff do with the request, through the pages."""

from datetime import date
from typing import Any

from sqlalchemy import select

from consent_service import service as services
from consent_service.earlier_list import imports
from consent_service.earlier_list.import_claims import Claim
from consent_service.earlier_list.import_file import Line
from consent_service.language import HELSINKI
from consent_service.models.customers import customer
from consent_service.models.requests import data_request, data_request_letter, data_request_task
from tests.actors import Staff, fi
from tests.household import Household
from tests.page import Page
from tests.register import add_customer

LIST = "/staff/data-requests"
NAME = "Aino Mäkelä"


def today() -> date:
    return services.now().astimezone(HELSINKI).date()


def add_asker(house: Household, email: str | None = "aino@example.com", **more: Any) -> Any:
    """Aino in the register; her row."""
    known = {"last_name": "Mäkelä", "notes": "Puhuu nopeasti."}
    customer_id = add_customer(house, email, **known | more)
    return next(row for row in house.rows(customer) if row.id == customer_id)


def add_waiting(house: Household, email: str) -> None:
    """Somebody on an earlier list whose permission nobody can prove."""
    batch = imports.Batch(imports.FILE, "Heidi", Claim("unknown"), "fi", house.service.controller, today())
    with house.service.transaction() as connection:
        imports.begin(connection, house.occasion(), batch)
        imports.add(connection, house.occasion(), batch, [Line("1", {"email": email, "first_name": "Outi"})])


class Desk:
    """Heidi at her desk with one request after the other."""

    def __init__(self, house: Household):
        self.house = house
        self.heidi = Staff(house)
        self.heidi.log_in()
        self.number = 0

    def take(self, kind: str, **changes: Any) -> Page:
        """Write a request down; `number` is its number from then on."""
        told = {"kind": kind, "channel": "phone", "received_on": today().isoformat(), "name": NAME, "language": "fi"}
        page = self.open("/add")
        page = page.press(fi("Add the request"), **told | {name: str(value) for name, value in changes.items()})
        if page.status == 200:
            self.number = max(row.number for row in self.house.rows(data_request))
        return page

    def verify(self, method: str = "known", **more: str) -> Page:
        return self.page("identity").press(fi("Note it"), method=method, **more)

    def carry_out(self, name: str = NAME) -> Page:
        page = self.page("carry-out")
        is_erasure = self.request.kind == "erase"
        return page.press(fi("Erase for good") if is_erasure else fi("Do it now"), name=name)

    def tick(self, place: str, note: str = "ei löytynyt mitään") -> Page:
        return self.page(f"tasks/{place}").press(fi("It is done"), note=note)

    def tick_all(self) -> None:
        for place in self.open_tasks():
            assert self.tick(place).status == 200

    def close(self, outcome: str = "done", **more: str) -> Page:
        return self.page("close").press(fi("Close and answer"), **{"outcome": outcome, "ground": ""} | more)

    def show(self, number: int | None = None) -> Page:
        return self.open(f"/{number or self.number}")

    def page(self, tail: str) -> Page:
        return self.open(f"/{self.number}/{tail}")

    def open(self, tail: str = "", **options: Any) -> Page:
        mark = "&" if "?" in tail else "?"
        return self.house.get(f"{LIST}{tail}{mark}lang=fi", self.heidi.http, **options)

    @property
    def request(self) -> Any:
        return next(row for row in self.house.rows(data_request) if row.number == self.number)

    def tasks(self) -> dict[str, Any]:
        with self.house.service.reading() as connection:
            mine = select(data_request_task).where(data_request_task.c.request_number == self.number)
            return {row.place: row for row in connection.execute(mine)}

    def open_tasks(self) -> list[str]:
        return [place for place, task in self.tasks().items() if task.done_at is None]

    def letters(self) -> list[str]:
        rows = [row for row in self.house.rows(data_request_letter) if row.request_number == self.number]
        return [row.kind for row in sorted(rows, key=lambda row: row.made_at)]
