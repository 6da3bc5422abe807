"""How often: one network, one address, the whole service. Strangers cannot use the form against somebody."""

from datetime import timedelta
from itertools import pairwise

import pytest
import time_machine

from consent_service import service as services
from consent_service.delivery.owner_letters import OWNER_HELD
from consent_service.language import language
from tests.actors import AGAIN, DECLINE, Staff, Visitor, fi
from tests.conftest import on_both_databases


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


def test_a_network_may_subscribe_five_times_in_ten_minutes(open_house, database_url):
    house = open_house(database_url, limit_ip="5/10 minutes")
    pages = [Visitor(house, f"p{number}@example.com").subscribe() for number in range(6)]
    assert [page.status for page in pages] == [200] * 5 + [429]
    assert 0 < int(pages[-1].answer.headers["Retry-After"]) <= 600
    assert house.status("p5@example.com") is None


def test_who_has_to_wait_is_told_how_long_and_finds_back_to_the_form(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", limit_ip="1/hour")
    Visitor(house).subscribe()
    page = Visitor(house, "eero@example.com").subscribe()
    assert page.status == 429 and fi("Wait an hour and try again.") in page.words
    assert [link for link in page.links if link.startswith("/subscribe")]


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(hours=24), "Odota 24 tuntia"),
        (timedelta(hours=1, minutes=1), "Odota 2 tuntia"),
        (timedelta(hours=1), "Odota tunti"),
        (timedelta(minutes=59, seconds=1), "Odota tunti"),
        (timedelta(minutes=59), "Odota 59 minuuttia"),
    ],
)
def test_from_an_hour_up_the_wait_is_said_in_hours_that_are_enough(open_house, tmp_path, clock, left, said):
    house = open_house(f"sqlite:///{tmp_path}/c.db", limit_ip="1/day")
    Visitor(house).subscribe()
    clock.shift(timedelta(days=1) - left)
    assert said in Visitor(house, "eero@example.com").subscribe().words


def test_bad_input_does_not_count_against_the_network(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", limit_ip="1/10 minutes")
    assert [Visitor(house).subscribe(email="x").status for _ in range(3)] == [400] * 3
    assert Visitor(house).subscribe().status == 200


def test_one_address_gets_a_mail_each_five_minutes_three_a_day_six_a_month(open_house, database_url, clock):
    house = open_house(database_url, limit_address="3/24 hours;6/30 days")
    aino, sent = Visitor(house), []
    for _ in range(40 * 24 * 2):
        if len(sent) >= 8:
            break
        before = len(aino.mails())
        assert aino.subscribe().status == 200, "over the limit the answer is the same"
        house.deliver()
        if len(aino.mails()) > before:
            sent.append(services.now())
        clock.shift(timedelta(minutes=4) if len(sent) < 2 else timedelta(hours=11))
    gaps = [later - earlier for earlier, later in pairwise(sent)]
    assert min(gaps) >= timedelta(minutes=5)
    assert all(sent[n + 3] - sent[n] >= timedelta(hours=24) for n in range(len(sent) - 3))
    assert all(sent[n + 6] - sent[n] >= timedelta(days=30) for n in range(len(sent) - 6))
    assert len(sent) == 8


def test_nobody_is_kept_from_their_own_page_and_from_leaving_by_a_stranger_who_types_their_address(
    open_house, database_url, clock
):
    house = open_house(database_url, limit_address="3/24 hours;6/30 days", limit_ip="off")
    aino = Visitor(house).becomes_active()
    for path in ("/my-data", "/unsubscribe"):
        before = len(aino.mails())
        for _ in range(4 * 4):
            house.get(f"{path}?lang=fi").press(fi("Send me the link"), email=aino.email)
            house.deliver()
            clock.shift(timedelta(hours=6, seconds=1))
        assert len(aino.mails()) - before == 3 * 4, path


def test_tags_dots_and_case_do_not_get_around_the_limit(open_house, database_url, clock):
    house = open_house(database_url, limit_address="3/24 hours;6/30 days")
    for address in ("a.i.no@example.com", "aino+1@example.com", "AINO@example.com", "aino+2@example.com"):
        Visitor(house, address).subscribe()
    house.deliver()
    assert len(house.mail.mails) == 1


def test_a_confirmation_starts_the_count_anew(open_house, database_url, clock):
    house = open_house(database_url, limit_address="3/24 hours;6/30 days")
    aino = Visitor(house).becomes_active()
    aino.leave()
    aino.subscribe()
    house.deliver()
    assert aino.confirm().status == 200, "who proved that the mailbox is theirs need not wait five minutes"
    assert house.status(aino.email) == "active"


def test_a_subscriber_cannot_be_flooded_either(open_house, database_url, clock):
    house = open_house(database_url, limit_address="3/24 hours;6/30 days")
    aino = Visitor(house).becomes_active()
    mails = len(aino.mails())
    for _ in range(5):
        aino.subscribe()
        house.get("/unsubscribe?lang=fi").press(fi("Send me the link"), email=aino.email)
    house.deliver()
    assert len(aino.mails()) == mails + 2


@pytest.mark.parametrize(("path", "kind"), [("/my-data", "my-data"), ("/unsubscribe", "unsubscribe")])
def test_an_address_of_ones_own_with_a_tag_takes_no_mail_from_anybody(open_house, tmp_path, clock, path, kind):
    house = open_house(f"sqlite:///{tmp_path}/c.db", limit_address="3/24 hours;6/30 days")
    aino = Visitor(house).becomes_active()
    mails = len(aino.mails())
    for email in ("aino+zz@example.com", "a.ino@example.com", aino.email):
        house.get(f"{path}?lang=fi").press(fi("Send me the link"), email=email)
    house.deliver()
    assert len(aino.mails()) == mails + 1
    assert aino.link(kind) in aino.newest().links


@pytest.mark.parametrize("begins", ["contact form", "subscription"])
def test_nor_do_tags_bring_a_mailbox_mails_about_what_others_wrote_in_its_name(open_house, database_url, clock, begins):
    house = open_house(database_url, limit_address="3/24 hours;9/30 days")
    spellings = [Visitor(house, email) for email in ("aino+1@example.com", "aino+2@example.com", "a.ino@example.com")]
    for written in spellings:
        written.write() if begins == "contact form" else written.subscribe()
        house.deliver()
        clock.shift(timedelta(minutes=6))
    before = sum(len(one.mails()) for one in spellings)
    for written in spellings * 3:
        house.get("/my-data?lang=fi").press(fi("Send me the link"), email=written.email)
        house.deliver()
        clock.shift(timedelta(minutes=6))
    assert sum(len(one.mails()) for one in spellings) == before + 3


def test_what_others_wrote_under_a_tag_takes_no_mail_from_whoever_confirmed(open_house, tmp_path, clock):
    house = open_house(f"sqlite:///{tmp_path}/c.db", limit_address="3/24 hours;6/30 days")
    aino, tagged = Visitor(house).becomes_active(), Visitor(house, "a.ino@example.com")
    tagged.write()
    for _ in range(3):
        house.get("/my-data?lang=fi").press(fi("Send me the link"), email=tagged.email)
        clock.shift(timedelta(minutes=6))
    assert aino.my_data().status == 200


def test_over_the_services_limit_the_queue_is_held_and_the_owner_told(open_house, database_url, clock):
    house = open_house(database_url, limit_global="3/hour;5/day")
    people = [Visitor(house, f"p{number}@example.com") for number in range(7)]
    for person in people[:2]:
        assert person.subscribe().status == 200
    heidi = Staff(house)  # whom no form asks for a proof of work
    heidi.log_in()
    for person in people[2:]:
        assert heidi.add(person.email).status == 200
    house.deliver()
    confirmations = lambda: sum(len(person.mails()) for person in people)  # noqa: E731
    assert confirmations() == 3
    owner = house.mail.to(house.service.controller.contact_email)
    assert len(owner) == 1, "told once"
    clock.shift(timedelta(hours=1, minutes=1))
    house.deliver()
    assert confirmations() == 5
    clock.shift(timedelta(hours=24))
    house.deliver()
    assert confirmations() == 7, "nothing was lost"
    assert not [message for message in house.messages() if message.done_at is None]
    assert OWNER_HELD in {message.kind for message in house.messages()}


def test_pressing_decline_again_and_again_gives_an_attacker_nothing(open_house, database_url, clock):
    house = open_house(database_url, limit_address="3/24 hours;6/30 days")
    attacker, victim = Visitor(house, "v.ictim@example.com"), Visitor(house, "victim@example.com")
    attacker.subscribe()
    house.deliver()
    form = house.get(attacker.link("confirm"))
    for _ in range(6):
        form.press(DECLINE)
        victim.subscribe()
        house.deliver()
        clock.shift(timedelta(seconds=10))
    assert len(victim.mails()) == 1


def test_a_life_of_ones_own_does_not_clear_the_count_of_a_neighbour_spelt_alike(open_house, database_url, clock):
    house = open_house(database_url, limit_address="3/24 hours;6/30 days")
    attacker, victim = Visitor(house, "v.ictim@example.com"), Visitor(house, "victim@example.com")
    for _ in range(8):
        clock.shift(timedelta(minutes=6))
        attacker.subscribe()
        house.deliver()
        if house.person(attacker.email).open_confirmation_id:
            attacker.confirm()
            house.deliver()
            attacker.leave()
        clock.shift(timedelta(minutes=6))
        victim.subscribe()
        house.deliver()
    assert len(victim.mails()) == 3


def test_an_old_unsubscribe_link_does_not_undo_a_decline(open_house, database_url):
    house = open_house(database_url)
    aino = Visitor(house).becomes_active()
    left = aino.leave()
    aino.subscribe()
    house.deliver()
    aino.decline()
    mails = len(aino.mails())
    assert left.press(AGAIN).status == 200
    house.deliver()
    assert len(aino.mails()) == mails, "newsletters are forwarded, confirmation mails are not"


@on_both_databases
def test_who_leaves_undoes_and_leaves_again_can_undo_again_at_once(open_house, database_url, clock):
    house = open_house(database_url, limit_address="3/24 hours;6/30 days")
    aino = Visitor(house).becomes_active()
    for times in (1, 2, 3):
        left = aino.leave()
        before = len(aino.mails())
        again = left.press(AGAIN)
        house.deliver()
        assert len(aino.mails()) == before + 1, (
            "the message before is dead by their own hand: it is no use to wait for it"
        )
        assert house.get(aino.link("confirm")).status == 200
        if times == 1:
            assert left.press(AGAIN).words != again.words, "while a link is alive, they are told to look for it"
    house.deliver()
    assert len(aino.mails()) == before + 1
    page = aino.leave().press(AGAIN)
    house.deliver()
    assert len(aino.mails()) == before + 1, "three in 24 hours all the same: newsletters are forwarded with their links"
    assert language("fi").moment(services.now() + timedelta(hours=24, minutes=1)) in page.words


def test_nor_does_the_form_lead_to_a_message_that_is_dead(open_house, database_url, clock):
    house = open_house(database_url, limit_address="3/24 hours;6/30 days")
    aino = Visitor(house).becomes_active()
    aino.leave().press(AGAIN)
    house.deliver()
    aino.leave()
    aino.subscribe()
    aino.subscribe()
    house.deliver()
    assert aino.confirm().status == 200
    assert house.kinds(aino.email).count("requested") == 3, "and one a five minutes while it is alive"
