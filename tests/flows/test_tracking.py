"""A subscriber may permit to be followed while reading: asked by itself, never assumed, gone when they say so."""

import json
from itertools import count

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError

from consent_service import service as services
from consent_service.activecampaign import forwarding
from consent_service.activecampaign.tags import TRACKING_TAG
from consent_service.language import CODES, language
from consent_service.models.newsletter import subscriber
from consent_service.rights import consent_record, personal_data
from consent_service.rights.consent_record import Place
from tests.actors import AGAIN, CONFIRM, SUBSCRIBE, Staff, Visitor, fi
from tests.consent_record import ConsentRecord
from tests.tampering import findings

NUMBERS = count()
BOTH, ONLY = fi("Confirm both"), fi("Confirm only the newsletter")
ALLOW, STOP = fi("Permit this"), fi("Take the permission back")


@pytest.fixture
def house(standing_house):
    return standing_house


@pytest.fixture
def aino(house):
    return Visitor(house, f"aino{next(NUMBERS)}@example.com")


def asked(person, **changes):
    person.subscribe(**changes)
    person.house.deliver()
    return person.house.get(person.link("confirm"), person.http)


def tracked(person):
    """Somebody who ticked both boxes and confirmed both."""
    page = asked(person, tracking="yes").press(BOTH)
    assert page.status == 200
    person.house.deliver()
    assert is_tracked(person)
    return person


def is_tracked(person):
    row = person.house.person(person.email)
    return row.tracking_since is not None


def has_tag(person):
    return TRACKING_TAG in person.house.contacts.tags_of(person.email)


def own_page(person, button):
    page = person.my_data().press(button)
    person.house.deliver()
    return page


def sentence(house, code="fi"):
    return house.service.tracking_text(language(code)).sentence


# Asked for


def test_the_box_is_unticked_and_says_what_is_followed_in_each_language(house, aino):
    for code in CODES:
        page, words = aino.open_form(code), house.service.tracking_text(language(code))
        assert 'name="tracking" type="checkbox" value="yes" aria-describedby="tracking-hint">' in page.html
        assert words.sentence in page.words and words.privacy in page.words


def test_without_the_box_nothing_of_it_appears_anywhere(house, aino):
    page = asked(aino)
    assert sentence(house) not in page.words and BOTH not in page.words
    page.press(CONFIRM)
    house.deliver()
    assert not is_tracked(aino) and not has_tag(aino)
    assert all(sentence(house) not in " ".join(mail.text.split()) for mail in aino.mails())
    assert "tracking" not in str([event.core.get("texts") for event in house.story(aino.email)])
    person = house.person(aino.email)
    assert (person.tagged_at, person.tagged_event_id) == (None, None), "nothing had to be done about it there"


def test_the_box_is_no_condition_of_the_newsletter_nor_the_newsletter_part_of_it(house, aino):
    page = aino.open_form().press(SUBSCRIBE, first_name="A", last_name="B", email=aino.email, tracking="yes")
    assert page.status == 400
    assert 'name="tracking" type="checkbox" value="yes" checked' in page.html, "what was ticked stays ticked"
    assert house.person(aino.email) is None


def test_ticked_and_confirmed_it_is_permitted_with_the_words_that_were_shown(house, aino):
    page = asked(aino, tracking="yes")
    told = " ".join(aino.newest().text.split())
    assert sentence(house) in told and sentence(house) in page.words
    assert not is_tracked(aino), "an ask permits nothing"
    assert page.press(BOTH).status == 200
    house.deliver()
    assert sentence(house) in " ".join(aino.newest().text.split()), "the receipt says what was agreed"
    person, [ask] = house.person(aino.email), house.asks(aino.email)
    sha256 = house.service.tracking_text(language("fi")).shown.sha256
    confirmed = house.story(aino.email)[-1]
    assert confirmed.core["texts"]["tracking"] == sha256 == ask.tracking_sha256
    assert (person.tracking_event_id, person.tracking_since) == (confirmed.id, person.active_since)
    assert has_tag(aino) and house.contacts.status_of(aino.email) == 1


def test_on_the_confirmation_page_it_can_be_left_out(house, aino):
    assert asked(aino, tracking="yes").press(ONLY).status == 200
    house.deliver()
    assert house.status(aino.email) == "active"
    assert not is_tracked(aino) and not has_tag(aino)
    assert "tracking" not in house.story(aino.email)[-1].core["texts"]
    assert sentence(house) not in " ".join(aino.newest().text.split())


def test_a_confirmation_that_does_not_say_both_is_of_the_newsletter_only(house, aino):
    form = asked(aino, tracking="yes").form(BOTH)
    assert house.post(form.action, form.fields).status == 200
    assert house.status(aino.email) == "active" and not is_tracked(aino)


def test_the_choice_travels_through_send_again_and_the_address_was_wrong(house, aino):
    sent = aino.subscribe(tracking="yes")
    sent.press(fi("Send again"))
    assert [ask.tracking_sha256 is not None for ask in house.asks(aino.email)] == [True, True]
    form = sent.press(fi("The address was wrong"))
    assert 'name="tracking" type="checkbox" value="yes" checked' in form.html


def test_a_tick_beside_unknown_words_is_asked_again(house, aino):
    consent = house.service.consent_text(language("fi"))
    for tracking in (None, "0" * 64):
        token = house.service.tokens.for_form(consent.shown.sha256, "fi", tracking)
        fields = {"first_name": "A", "last_name": "B", "email": aino.email, "consent": "yes", "tracking": "yes"}
        page = house.post("/subscribe?lang=fi", fields | {"csrf_token": token})
        assert page.status == 400 and house.person(aino.email) is None
        assert 'name="tracking" type="checkbox" value="yes" aria-' in page.html, "unticked: nobody knows beside what"
    fields.pop("tracking")
    token = house.service.tokens.for_form(consent.shown.sha256, "fi")
    assert house.post("/subscribe?lang=fi", fields | {"csrf_token": token}).status == 200, "a form opened long ago"


def test_a_stranger_who_fills_in_the_form_changes_nothing(house, aino):
    aino.becomes_active()
    aino.subscribe(tracking="yes")
    house.deliver()
    assert not is_tracked(aino) and house.kinds(aino.email)[-1] == "confirmed"
    eero = tracked(Visitor(house, f"eero.{aino.email}"))
    eero.subscribe()
    house.deliver()
    assert is_tracked(eero) and has_tag(eero)


def test_staff_cannot_give_it(house, aino):
    heidi = Staff(house)
    heidi.log_in()
    assert "tracking" not in house.get("/staff/subscribers/add?lang=fi", heidi.http).html
    heidi.add(aino.email, tracking="yes")
    house.deliver()
    aino.confirm()
    assert not is_tracked(aino)
    page = house.get(f"/staff/subscribers/{house.person(aino.email).id}?lang=fi", heidi.http)
    assert f"{fi('Following what they read')} {fi('not permitted')}" in page.words
    own_page(aino, ALLOW)
    page = house.get(f"/staff/subscribers/{house.person(aino.email).id}?lang=fi", heidi.http)
    assert fi("not permitted") not in page.words and fi("Permitted to be followed while reading") in page.words


# On the person's own page


def test_on_their_own_page_they_permit_it_and_take_it_back(house, aino):
    aino.becomes_active()
    page = aino.my_data()
    assert sentence(house) in page.words and fi("not permitted") in page.words
    for _ in range(2):
        assert page.press(ALLOW).status == 200
    house.deliver()
    assert is_tracked(aino) and has_tag(aino)
    given = house.story(aino.email)[-1]
    assert (given.core["kind"], given.core["door"]) == ("tracking_allowed", "my-data")
    assert given.id == house.person(aino.email).tracking_event_id
    page = aino.my_data()
    for _ in range(2):
        done = page.press(STOP)
        assert done.status == 200 and fi("The newsletter goes on as before.") in done.words
    house.deliver()
    assert not is_tracked(aino) and not has_tag(aino)
    assert house.kinds(aino.email)[-2:] == ["tracking_allowed", "tracking_withdrawn"]
    assert house.status(aino.email) == "active" and house.contacts.status_of(aino.email) == 1


def test_words_that_nobody_was_shown_permit_nothing(house, aino):
    aino.becomes_active()
    page = aino.my_data()
    form = page.form(ALLOW)
    for token in ("", "forged", house.service.tokens.for_form("x", "fi", "0" * 64)):
        answer = house.post(form.action, {"csrf_token": token})
        assert (answer.status, answer.title.startswith(fi("Error:"))) == (400, True)
        assert fi("These words had been open for too long. Read them again and choose anew.") in answer.words
    assert not is_tracked(aino)
    aino.leave()
    assert house.post(form.action, form.fields).status == 400, "who left has nothing to permit"
    assert not is_tracked(aino)


# Ends with the newsletter


@pytest.mark.parametrize("how", ["link", "objection", "there", "own page"])
def test_leaving_the_newsletter_ends_it_here_and_there(house, aino, how):
    tracked(aino)
    if how == "link":
        page = aino.leave()
        assert fi("If you had permitted us to follow what you read, that has ended too.") in page.words
    elif how == "objection":
        house.object(aino.email)
    elif how == "own page":
        aino.my_data().press(fi("Stop the newsletter"))
    else:
        house.contacts.set_status(aino.email, 2)
        heard(aino)
    house.deliver()
    assert (house.status(aino.email), is_tracked(aino), has_tag(aino)) == ("passive", False, False)
    assert house.person(aino.email).tagged_at is None
    assert house.contacts.status_of(aino.email) == 2


def heard(person):
    """ActiveCampaign tells that something changed: the person is looked at."""
    house, contact = person.house, person.house.contacts.contacts[person.email]
    with house.service.transaction() as connection:
        forwarding.look_at(connection, contact.id, contact.email, services.now())


def test_coming_back_asks_anew(house, aino):
    page = tracked(aino).leave()
    house.deliver()
    page.press(AGAIN)
    house.deliver()
    aino.confirm()
    house.deliver()
    assert (house.status(aino.email), is_tracked(aino), has_tag(aino)) == ("active", False, False)
    aino.leave()
    asked(aino, tracking="yes").press(BOTH)
    house.deliver()
    assert is_tracked(aino) and has_tag(aino)


def test_a_changed_address_keeps_it(house, aino):
    tracked(aino)
    aino.move_to(f"uusi.{aino.email}")
    house.deliver()
    new = Visitor(house, f"uusi.{aino.email}")
    house.get(new.link("confirm")).press(fi("Confirm the address"))
    house.deliver()
    assert is_tracked(new) and has_tag(new)
    assert sentence(house) in " ".join(new.newest().text.split()), "the receipt says all that holds"


def test_erasing_takes_it_along(house, aino):
    tracked(aino)
    house.erase(aino.email)
    house.deliver()
    assert house.person(aino.email) is None and house.contacts.tags_of(aino.email) == []


# What is told of it


def test_the_own_page_the_file_and_the_sheet_tell_it(house, aino):
    tracked(aino)
    page = aino.my_data()
    assert sentence(house) in page.words and STOP in page.words
    with house.service.reading() as connection:
        held = personal_data.gather(connection, house.service.vault, house.person(aino.email).id, services.now())
    assert held.tracking.content.startswith(sentence(house))
    sheet = house.get(next(link for link in page.links if "/evidence" in link))
    assert fi("What the person also permitted") in sheet.words
    file = house.http.get(house.url + next(link for link in page.links if "/download" in link).replace(house.url, ""))
    assert file.status_code == 200


def test_the_audit_tells_the_same_story_and_finds_a_permission_made_up(house, aino):
    tracked(aino)
    own_page(aino, STOP)
    own_page(aino, ALLOW)
    house.service.seal()
    assert findings(house) == []
    eero = Visitor(house, f"eero.{aino.email}").becomes_active()
    house.service.seal()
    mine = subscriber.c.email_key == eero.email
    made_up = {"tracking_since": subscriber.c.active_since, "tracking_event_id": subscriber.c.basis_event_id}
    with house.service.transaction() as connection:
        connection.execute(update(subscriber).where(mine).values(**made_up))
    assert {found.says.partition(" of ")[0] for found in findings(house)} == set(made_up)
    nothing = dict.fromkeys(made_up)
    with house.service.transaction() as connection:
        connection.execute(update(subscriber).where(mine).values(**nothing))


@pytest.mark.parametrize(
    "forced",
    [
        "tracking_since = asked_at",
        "tracking_event_id = (SELECT id FROM consent_event LIMIT 1)",
        "tracking_since = asked_at, tracking_event_id = (SELECT id FROM consent_event LIMIT 1)",
        "tracking_since = asked_at, tracking_event_id = 'made up'",
    ],
)
def test_the_database_itself_refuses_it_without_an_event_and_of_whoever_is_not_active(house, aino, forced):
    aino.subscribe()
    with pytest.raises(IntegrityError), house.service.transaction() as connection:
        connection.execute(text(f"UPDATE subscriber SET {forced} WHERE email_key = '{aino.email}'"))


def record(person):
    house = person.house
    with house.service.reading() as connection:
        held = personal_data.gather(connection, house.service.vault, house.person(person.email).id, services.now())
    told = consent_record.compose(held, Place(house.service.controller, house.service.settings.public_url))
    return ConsentRecord.model_validate_json(json.dumps(told))


def test_the_consent_record_has_it_as_a_purpose_of_its_own(house, aino):
    def states():
        [process] = record(aino).processes[1:]
        assert [purpose.label for purpose in process.purposes] == ["tracking"]
        return [status.kind[0].removeprefix("dpv:") for status in process.states]

    asked(aino).press(CONFIRM)
    house.deliver()
    assert len(record(aino).processes) == 1, "whoever never ticked it was never asked"
    own_page(aino, ALLOW)
    assert states() == ["ConsentGiven"]
    own_page(aino, STOP)
    own_page(aino, ALLOW)
    aino.leave()
    told = ["ConsentGiven", "ConsentWithdrawn", "RenewedConsentGiven", "ConsentWithdrawn"]
    assert states() == told and record(aino).story[-1] == "ConsentWithdrawn"
    asked(aino, tracking="yes").press(ONLY)
    assert states() == [*told, "ConsentRequested", "ConsentRefused"]
    assert record(aino).notices[-1].tracking == house.asks(aino.email)[-1].tracking_sha256
