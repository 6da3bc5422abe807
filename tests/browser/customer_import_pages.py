"""The states of the staff pages for customers out of a spreadsheet and into one, found as in places.py."""

import threading

from sqlalchemy import update

from consent_service import service as services
from consent_service.models.customers import customer
from consent_service.register import customer_imports
from consent_service.register.importing import Importing
from tests.browser.guest import LONG_EMAIL, LONG_FIRST, LONG_LAST, NUMBERS, Guest
from tests.browser.houses import STAFF
from tests.browser.places import Place, place
from tests.sheets import xlsx

CUSTOMER_IMPORTS: list[Place] = []

HEADINGS = ["Asiakasnumero", "Etunimi", "Sukunimi", "Sähköposti", "Puhelin", "Katuosoite", "Jotain aivan muuta" * 8]
PLACE = "/staff/customers/imports"


def _list() -> bytes:
    """A list with every kind of row; whom its first one names is in the register from the second time on."""
    number = next(NUMBERS)
    long = [None, LONG_FIRST, LONG_LAST, LONG_EMAIL.format(f"lista{number}"), "0401234567", "Kauppakatu 1", "x" * 60]
    twin = [None, "Anna", LONG_LAST, long[3], "pitkäsanayhdistelmävailla" * 8, None, None]
    rows = [[number + 50_000, "Aino", f"Mäkelä{number}"], ["?", "Eero", "Niemi", "eero@", "ei ole"], [None, "Iida"]]
    return xlsx(HEADINGS, long, twin, *rows, name="Asiakkaat " + "pitkä" * 4, Vanhat=[["Nimi"], ["Oona Laine"]])


def _brought(guest: Guest, stages: int) -> str:
    """Where an import is that has come so far: read, checked, added, undone."""
    service = guest.house.service
    relay = Importing(service, threading.Event())
    name = "pitkännimisen yrityksen vanhat asiakkaat " * 3 + ".xlsx"
    with service.transaction() as connection:
        import_id = customer_imports.take(connection, services.now(), name, _list(), "Heidi")
    for stage in range(stages):
        with service.transaction() as connection:
            _go_on(connection, import_id, stage)
        while relay.step():
            pass
    return f"{PLACE}/{import_id}"


def _go_on(connection, import_id: str, stage: int) -> None:
    if stage == 1:
        table = customer_imports.table(connection, customer_imports.find(connection, import_id), 0, 1)
        customer_imports.set_columns(connection, services.now(), import_id, (0, 1), table.columns, "other")
    elif stage == 2:
        customer_imports.choose_for_all(connection, import_id, "partly", "add")
        customer_imports.apply(connection, services.now(), import_id)
    elif stage == 3:
        connection.execute(update(customer).values(changed_at=services.now()))
        customer_imports.undo(connection, services.now(), import_id)


def _staff(guest: Guest, path: str) -> Guest:
    return guest.let_in(STAFF).open(path)


@place(CUSTOMER_IMPORTS, "unconnected", repeats=True)
def customer_imports_none(guest: Guest) -> None:
    _staff(guest, PLACE)


@place(CUSTOMER_IMPORTS, "town", is_wrong=True)
def customer_imports_no_file(guest: Guest) -> None:
    _brought(guest, 1)
    _staff(guest, PLACE).press("Send the file")


@place(CUSTOMER_IMPORTS, "town")
def customer_imports_cancelled(guest: Guest) -> None:
    _staff(guest, f"{PLACE}?did=cancelled")


@place(CUSTOMER_IMPORTS, "town")
def customer_import_reading(guest: Guest) -> None:
    _staff(guest, f"{_brought(guest, 0)}?hold=1")


@place(CUSTOMER_IMPORTS, "town", repeats=True)
def customer_import_columns(guest: Guest) -> None:
    _staff(guest, _brought(guest, 1))


@place(CUSTOMER_IMPORTS, "town", is_wrong=True)
def customer_import_columns_wrong(guest: Guest) -> None:
    _staff(guest, _brought(guest, 1))
    for at in range(3):
        guest.tab.locator(f"#column-{at}").select_option("phone")
    guest.press("Check the rows")


@place(CUSTOMER_IMPORTS, "town")
def customer_import_checked(guest: Guest) -> None:
    _staff(guest, _brought(guest, 2))


@place(CUSTOMER_IMPORTS, "town")
def customer_import_known(guest: Guest) -> None:
    _staff(guest, f"{_brought(guest, 2)}/rows/known")


@place(CUSTOMER_IMPORTS, "town", repeats=True)
def customer_import_partly(guest: Guest) -> None:
    _staff(guest, f"{_brought(guest, 2)}/rows/partly")


@place(CUSTOMER_IMPORTS, "town", repeats=True)
def customer_import_unusable(guest: Guest) -> None:
    _staff(guest, f"{_brought(guest, 2)}/rows/unusable")


@place(CUSTOMER_IMPORTS, "town", repeats=True)
def customer_import_applied(guest: Guest) -> None:
    _staff(guest, _brought(guest, 3))


@place(CUSTOMER_IMPORTS, "town", repeats=True)
def customer_import_undo(guest: Guest) -> None:
    _staff(guest, f"{_brought(guest, 3)}/undo")


@place(CUSTOMER_IMPORTS, "town", repeats=True)
def customer_import_undone(guest: Guest) -> None:
    _staff(guest, _brought(guest, 4))


@place(CUSTOMER_IMPORTS, "busy")
def customer_import_refused(guest: Guest) -> None:
    service = guest.house.service
    with service.transaction() as connection:
        import_id = customer_imports.take(connection, services.now(), "a.xlsx", xlsx([None] * 100 + ["x"]), "Heidi")
    while Importing(service, threading.Event()).step():
        pass
    _staff(guest, f"{PLACE}/{import_id}")


@place(CUSTOMER_IMPORTS, "town", repeats=True)
def customer_export(guest: Guest) -> None:
    _brought(guest, 3)
    _staff(guest, "/staff/customers/export?kind=consumer")


@place(CUSTOMER_IMPORTS, "unconnected")
def customer_export_nobody(guest: Guest) -> None:
    _staff(guest, "/staff/customers/export?q=zzz")
