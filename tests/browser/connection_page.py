"""The states of the staff page for the connection to ActiveCampaign, found as in places.py."""

from tests.browser.guest import Guest
from tests.browser.houses import STAFF, change_run
from tests.browser.places import Place, place

CONNECTION: list[Place] = []


def _open(guest: Guest, path: str) -> None:
    guest.let_in(STAFF)
    guest.open(path)


@place(CONNECTION, "unconnected")
def connection_unconnected(guest: Guest) -> None:
    _open(guest, "/staff/activecampaign")


@place(CONNECTION, "empty", repeats=True)
def connection_well(guest: Guest) -> None:
    _open(guest, "/staff/activecampaign")


@place(CONNECTION, "drifted")
def connection_trouble(guest: Guest) -> None:
    change_run(guest.house, is_claimed=False, trouble=None)
    _open(guest, "/staff/activecampaign")


@place(CONNECTION, "drifted", repeats=True)
def connection_running(guest: Guest) -> None:
    change_run(guest.house, is_claimed=True, trouble=None)
    _open(guest, "/staff/activecampaign")


@place(CONNECTION, "drifted", repeats=True)
def connection_interrupted(guest: Guest) -> None:
    change_run(guest.house, is_claimed=False, trouble="ActiveCampaign answered 503")
    _open(guest, "/staff/activecampaign")


@place(CONNECTION, "drifted")
def comparison(guest: Guest) -> None:
    _open(guest, "/staff/activecampaign/runs/1")


@place(CONNECTION, "empty", repeats=True)
def put_right(guest: Guest) -> None:
    _open(guest, "/staff/activecampaign/put-right")
