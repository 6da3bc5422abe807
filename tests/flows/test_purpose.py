"""A new purpose makes earlier consents old, and staff see whose; a better wording makes nothing old."""

import html
import re

from consent_service.language import CODES
from consent_service.models.newsletter import confirmation
from tests.actors import DECLINE, Staff, Visitor, fi
from tests.conftest import on_both_databases
from tests.household import CONTROLLER

OLD = (
    "This consent was given for an earlier purpose (version %(agreed)s; today's is %(today)s). It still covers what "
    "the person agreed to then. Before you use their data for what is new, ask them to subscribe again with the form: "
    "they get a new message to confirm."
)
WORDING = {"possessive": dict.fromkeys(CODES, "Uuden"), "name": "Uusi Oy"}


def changed(house, **values):
    """Let the controller file of a running service say something else."""
    house.change_controller(**values)


def says(page, message, **values):
    return " ".join(fi(message, **values).split()) in page.words


def listed(page):
    return re.findall(r"<td[^>]*>([^<]+@[^<]+)</td>", page.html.replace("<wbr>", ""))


def looking(house):
    heidi = Staff(house)
    heidi.log_in()
    return lambda path: house.get(f"{path}{'&' if '?' in path else '?'}lang=fi", heidi.http)


def versions(house, email):
    return [ask.purpose_version for ask in house.asks(email)]


def test_an_ask_keeps_the_version_of_its_purpose_in_its_row_and_in_its_event(house):
    Visitor(house).subscribe()
    changed(house, purpose_version=7)
    Visitor(house, "eero@example.com").subscribe()
    for email, version in (("aino@example.com", 1), ("eero@example.com", 7)):
        assert versions(house, email) == [version]
        assert house.story(email)[0].core["purpose_version"] == version


@on_both_databases
def test_without_a_change_nobody_is_old_and_nothing_speaks_of_it(house):
    aino, look = Visitor(house).becomes_active(), looking(house)
    changed(house, **WORDING)
    for path in ("/staff/", "/staff/subscribers", f"/staff/subscribers/{house.person(aino.email).id}"):
        page = look(path)
        assert page.status == 200
        assert not says(page, "Old consents") and not says(page, "Old consent")
        assert "status=stale" not in page.html
    assert listed(look("/staff/subscribers?status=stale")) == []


@on_both_databases
def test_a_new_purpose_makes_the_active_ones_old_and_staff_see_whose(house):
    Visitor(house, "gone@example.com").becomes_active().leave()
    Visitor(house, "waiting@example.com").subscribe()
    aino, look = Visitor(house).becomes_active(), looking(house)
    changed(house, purpose_version=2)
    Visitor(house, "new@example.com").becomes_active()
    overview = look("/staff/")
    assert re.findall(r"<dd>(\d+)</dd>", overview.html)[3] == "1"
    [link] = [link for link in overview.links if "status=stale" in link]
    page = look(html.unescape(link))
    assert listed(page) == [aino.email]
    assert says(page, "Old consent")
    assert listed(page.press(fi("Search"), q="new")) == [], "a search stays within them"
    everybody = look("/staff/subscribers")
    assert len(listed(everybody)) == 4
    assert everybody.html.count(f">{fi('Old consent')}<") == 1
    for email, is_old in ((aino.email, True), ("new@example.com", False), ("gone@example.com", False)):
        person = look(f"/staff/subscribers/{house.person(email).id}")
        assert says(person, OLD, agreed=1, today=2) is is_old, email


def test_an_old_consent_becomes_today_s_by_the_persons_own_confirmation_and_by_nothing_else(house):
    aino = Visitor(house).becomes_active()
    basis = house.person(aino.email).basis_event_id
    changed(house, purpose_version=2)
    aino.subscribe()
    house.deliver()
    assert house.person(aino.email).basis_event_id == basis, "a stranger may have typed the address"
    assert house.status(aino.email) == "active"
    told, page = " ".join(aino.newest().text.split()), house.get(aino.link("confirm"))
    goes_on = "Did you not ask for this? Then you need not do anything: your subscription goes on as before."
    assert fi(goes_on) in told and says(page, goes_on)
    assert DECLINE not in told and DECLINE not in page.words, "that would be to leave"
    assert aino.confirm().status == 200
    house.deliver()
    assert house.person(aino.email).basis_event_id != basis
    assert versions(house, aino.email) == [1, 2]
    assert house.contacts.status_of(aino.email) == 1
    before = house.kinds(aino.email)
    aino.subscribe()
    house.deliver()
    assert house.kinds(aino.email) == before, "now it is today's: they are told that they subscribe already"


def test_who_was_asked_before_the_change_and_confirms_after_it_agreed_to_the_earlier_purpose(house):
    aino, look = Visitor(house), looking(house)
    aino.subscribe()
    house.deliver()
    changed(house, purpose_version=2)
    assert aino.confirm().status == 200
    assert listed(look("/staff/subscribers?status=stale")) == [aino.email]


@on_both_databases
def test_a_form_opened_before_the_change_with_other_words_is_shown_again(house):
    Visitor(house, "eero@example.com").subscribe()
    aino = Visitor(house)
    form = aino.open_form()
    changed(house, purpose_version=2, **WORDING)
    fields = {"first_name": "Aino", "last_name": "M", "email": aino.email, "consent": "yes"}
    page = form.press(fi("Subscribe"), **fields)
    assert page.status == 400
    assert says(page, "The form had been open for too long. Check what you wrote and send it again.")
    assert house.person(aino.email) is None
    assert page.press(fi("Subscribe"), consent="yes").status == 200
    assert versions(house, aino.email) == [2]


def test_somebody_with_an_old_consent_leaves_as_everybody_does(house):
    aino = Visitor(house).becomes_active()
    changed(house, purpose_version=2)
    aino.subscribe()
    house.deliver()
    assert aino.leave().status == 200
    assert house.status(aino.email) == "passive"
    assert house.get(aino.link("confirm")).status == 404, "the open ask is dead too"
    with house.service.reading() as connection:
        assert len(connection.execute(confirmation.select()).all()) == 2
    assert CONTROLLER.purpose_version == 1
