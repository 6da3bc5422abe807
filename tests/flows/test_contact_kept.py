"""What becomes of a contact message: it goes with its time or at its writer's wish, and they see it until then."""

import csv
import io
import json
import zipfile
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import delete, insert, update

from consent_service import chores, contact_messages
from consent_service import erasure as erasing
from consent_service import service as services
from consent_service.earlier_list import imports
from consent_service.earlier_list.import_claims import Claim
from consent_service.earlier_list.import_file import EMAIL, Line
from consent_service.models.delivery import outbox_message
from consent_service.models.inbox import contact_message
from consent_service.models.limits import allowance
from consent_service.models.newsletter import erasure
from tests.actors import Staff, Visitor, fi
from tests.conftest import on_both_databases

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY, NOON = timedelta(days=1), timedelta(hours=4)
SECRET, ERASE = "kirsikkatorttu", fi("Erase everything about me")
SEND_LINK = fi("Send me the link")


@pytest.fixture
def clock():
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


def on(house, clock, day):
    """The chores of a day, after noon."""
    clock.move_to(START + day * DAY + NOON)
    house.do_chores()


def written(house):
    return [row.email for row in house.rows(contact_message)]


def ask_for_data(house, email):
    page = house.get("/my-data?lang=fi").press(SEND_LINK, email=email)
    house.deliver()
    return page


# Time


@on_both_databases
def test_a_message_goes_after_a_year_whether_or_not_it_was_closed(house, clock):
    for name in ("aino", "eero"):
        Visitor(house, f"{name}@example.com").write()
    heidi = Staff(house)
    heidi.log_in()
    place = f"/staff/contact-messages/{house.rows(contact_message)[0].id}?lang=fi"
    house.get(place, heidi.http).press(fi("Close the message"))
    on(house, clock, 364)
    assert len(written(house)) == 2
    on(house, clock, 365)
    assert written(house) == []


def test_a_legal_hold_on_whoever_has_the_address_keeps_their_messages(house, clock):
    aino, eero = Visitor(house).becomes_active(), Visitor(house, "eero@example.com")
    for person in (aino, eero):
        person.write()
    with house.service.transaction() as connection:
        erasing.hold(connection, house.occasion(), house.person(aino.email).id, "claim")
    on(house, clock, 370)
    assert written(house) == [aino.email]
    with house.service.transaction() as connection:
        erasing.release(connection, house.occasion(), house.person(aino.email).id)
    on(house, clock, 371)
    assert written(house) == []
    assert house.status(aino.email) == "active"


def test_an_unconfirmed_subscription_that_ends_takes_no_message_along(house, clock):
    aino = Visitor(house)
    aino.write(consent="yes")
    on(house, clock, 20)
    assert (house.person(aino.email), written(house)) == (None, [aino.email])


# What is held of somebody


def test_who_subscribes_reads_their_messages_on_their_own_page_and_takes_them_along(house):
    aino, eero = Visitor(house).becomes_active(), Visitor(house, "eero@example.com").becomes_active()
    Visitor(house, "AINO@example.com").write(message=f"=1+1\r\n<b>{SECRET}</b>")
    page = aino.my_data()
    assert fi("What you wrote to us with the contact form") in page.words
    assert f"<b>{SECRET}</b>" in page.words and f"<b>{SECRET}</b>" not in page.html
    assert SECRET not in eero.my_data().html
    answer = house.get(aino.link("my-data").replace("?", "/download?")).answer
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        files = {name: packed.read(name).decode("utf-8-sig") for name in packed.namelist() if "/" not in name}
    [told] = json.loads(files["tiedot.json"])["contact_messages"]
    assert (told["message"], told["reason"], told["phone"]) == (f"=1+1\n<b>{SECRET}</b>", "offer", "+358 40 123 4567")
    [row] = csv.DictReader(io.StringIO(files["yhteydenotot.csv"], newline=""))
    assert row["message"].startswith("'=1+1")
    assert SECRET in files["tiedot.html"] and f"<b>{SECRET}" not in files["tiedot.html"]


def test_messages_stay_with_somebody_who_changes_their_address_and_are_not_the_next_owners(house):
    aino = Visitor(house).becomes_active()
    aino.write(message=SECRET)
    aino.move_to("uusi@example.com")
    house.deliver()
    new = Visitor(house, "uusi@example.com")
    house.get(new.link("confirm")).press(fi("Confirm the address"))
    house.deliver()
    assert SECRET in new.my_data().html
    later = Visitor(house, aino.email, "Seuraava", "Haltija")
    later.subscribe()
    house.deliver()
    assert SECRET not in later.my_data().html
    assert written(house) == [aino.email], "it stays as it was written"


def test_who_only_wrote_is_told_that_by_mail_and_not_what(house):
    aino = Visitor(house)
    aino.write(message=SECRET)
    aino.write(message=f"{SECRET} uudelleen", reason="invoice")
    house.deliver()
    known, unknown = ask_for_data(house, "AINO@example.com"), ask_for_data(house, "nobody@example.com")
    assert known.html.replace("AINO@example.com", "…") == unknown.html.replace("nobody@example.com", "…")
    [mail] = aino.mails()
    assert mail.message["Subject"] == fi("What we hold about you")
    for told in ("I would like an offer", "An invoice", "one year after you sent it"):
        assert fi(told) in mail.text
    for typed in (SECRET, "Mäkelä", "123 4567"):
        assert typed not in mail.text + mail.html, "the address may be a stranger's"
    assert house.mail.to("nobody@example.com") == []
    keys = {row.key.partition(":")[0] for row in house.rows(allowance)}
    assert keys == {"data", "mails-to-owner"}, "every address writes the same row"


def test_who_wrote_and_waits_on_an_earlier_list_is_told_of_both_in_one_mail(house):
    batch = imports.Batch(imports.FILE, "Heidi", Claim("unknown"), "fi", house.service.controller, date(2026, 1, 2))
    aino = Visitor(house)
    with house.service.transaction() as connection:
        imports.begin(connection, house.occasion(), batch)
        imports.add(connection, house.occasion(), batch, [Line("1", {EMAIL: aino.email})])
    for _ in range(2):
        aino.write()
    ask_for_data(house, aino.email)
    [mail] = aino.mails()
    assert f"{fi('Messages sent with the contact form')}: 2" in mail.text


def test_who_said_that_they_did_not_ask_gets_no_mail_about_messages_either(house, clock):
    aino = Visitor(house)
    aino.subscribe()
    house.deliver()
    aino.decline()
    aino.write()
    on(house, clock, 20)
    before = len(aino.mails())
    assert house.person(aino.email) is None
    ask_for_data(house, aino.email)
    assert (len(aino.mails()), written(house)) == (before, [aino.email])


def test_what_was_to_be_told_of_an_erased_message_is_not_told(house):
    aino = Visitor(house)
    aino.write()
    house.get("/my-data?lang=fi").press(SEND_LINK, email=aino.email)
    assert {row.kind for row in house.rows(outbox_message)} == {"contact", "contact_data"}
    with house.service.transaction() as connection:
        contact_messages.forget(connection, services.now(), [aino.key])
    assert house.messages() == []
    house.deliver()
    assert house.mail.mails == []


# Erasure


def test_who_has_everything_erased_is_erased_here_too(house):
    aino, eero = Visitor(house).becomes_active(), Visitor(house, "eero@example.com")
    for person in (aino, eero):
        person.write()
    aino.my_data()
    question = house.get(aino.link("my-data").replace("?", "/erase?"))
    assert fi("What you wrote to us with the contact form is erased from here as well.") in question.words
    assert question.press(ERASE).status == 200
    assert written(house) == [eero.email]


def test_a_hold_keeps_messages_from_being_erased_at_a_wish(house):
    aino = Visitor(house).becomes_active()
    aino.write()
    with house.service.transaction() as connection:
        erasing.hold(connection, house.occasion(), house.person(aino.email).id, "claim")
    aino.my_data()
    assert house.get(aino.link("my-data").replace("?", "/erase?")).press(ERASE).status == 409
    assert written(house) == [aino.email]


@on_both_databases
def test_an_old_backup_brings_back_no_message_that_was_erased_by_hand(house):
    Visitor(house).write()
    Visitor(house, "eero@example.com").write()
    old = {row.email: row._asdict() for row in house.rows(contact_message)}
    heidi = Staff(house)
    heidi.log_in()
    place = f"/staff/contact-messages/{old['aino@example.com']['id']}/erase?lang=fi"
    assert house.get(place, heidi.http).press(fi("Erase for good"), last_name="mäkelä").status == 200
    house.do_chores()  # the note is copied into the file
    with house.service.transaction() as connection:
        connection.execute(delete(erasure))
        connection.execute(insert(contact_message).values(old["aino@example.com"]))
    assert [chores.repeat_notes(house.service) for _ in range(2)] == [1, 0]
    assert written(house) == ["eero@example.com"]
    [note] = house.rows(erasure)
    assert (note.rule, note.erased_at <= services.now()) == ("contact_message", True)


def test_an_old_backup_brings_back_no_message_that_went_with_its_writer(house):
    aino = Visitor(house)
    aino.write()
    [old] = [row._asdict() for row in house.rows(contact_message)]
    aino.becomes_active()
    house.erase(aino.email)
    assert written(house) == []
    house.do_chores()
    with house.service.transaction() as connection:  # a backup from before they subscribed
        connection.execute(delete(erasure))
        connection.execute(insert(contact_message).values(old))
    chores.repeat_notes(house.service)
    assert written(house) == []


def test_what_is_held_goes_to_no_mailbox_that_was_given_up(house):
    Visitor(house, "vanha@example.com").write(message=SECRET)
    with house.service.transaction() as connection:  # as when its owner moved, and was then erased for having left
        contact_messages.follow(connection, "vanha@example.com", "uusi@example.com")
    ask_for_data(house, "uusi@example.com")
    house.deliver()
    assert (house.mail.to("vanha@example.com"), len(house.mail.to("uusi@example.com"))) == ([], 1)


def test_an_address_that_would_not_be_taken_any_more_still_gets_what_was_asked_for(house):
    old = "aino@koti.local"  # no name of the Internet since RFC 6762
    Visitor(house).write()
    house.get("/my-data?lang=fi").press(SEND_LINK, email="aino@example.com")
    with house.service.transaction() as connection:
        connection.execute(update(contact_message).values(email=old, email_key=old))
    house.deliver()
    assert [mail.message["Subject"] for mail in house.mail.to(old)] == [fi("What we hold about you")]
