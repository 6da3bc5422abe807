"""Time stamps: an authority made with openssl stamps a checkpoint; a stamp by or of something else is refused."""

import threading
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
import time_machine

from consent_service import service as services
from consent_service.chores import Chores
from consent_service.ledger import sealer, timestamps
from consent_service.ledger.timestamps import StampRefused
from tests.actors import Visitor
from tests.servers.authority import OPENSSL, Authority

pytestmark = pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed (apt install openssl): NOT run")
NOTE = b"tilaus.example/consent-log\n7\nERERERERERERERERERERERERERERERERERERERERERE=\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("authorities")


@pytest.fixture(scope="module")
def authority(folder):
    with Authority(folder / "good") as server:
        yield server


@pytest.fixture(scope="module")
def other(folder):
    with Authority(folder / "other") as server:
        yield server


@pytest.fixture
def roots(authority):
    return timestamps.read_roots(authority.root)


def test_a_stamp_names_the_time_and_is_of_the_note_alone(authority, roots):
    token = timestamps.stamp(authority.url, roots, NOTE)
    stamped_at = timestamps.check(token, roots, NOTE)
    assert abs(datetime.now(UTC) - stamped_at) < timedelta(minutes=1)
    assert sha256(NOTE).digest() in authority.asked[-1]
    assert b"tilaus" not in authority.asked[-1]


def test_a_stamp_of_something_else_is_refused(authority, roots):
    token = timestamps.stamp(authority.url, roots, NOTE)
    with pytest.raises(StampRefused):
        timestamps.check(token, roots, NOTE.replace(b"\n7\n", b"\n8\n"))


def test_a_stamp_by_another_authority_is_refused(authority, other, roots):
    with pytest.raises(StampRefused):
        timestamps.stamp(other.url, roots, NOTE)
    with pytest.raises(StampRefused):
        timestamps.check(timestamps.stamp(other.url, timestamps.read_roots(other.root), NOTE), roots, NOTE)


def test_a_changed_stamp_is_refused(authority, roots):
    token = timestamps.stamp(authority.url, roots, NOTE)
    for place in (0, len(token) // 2, len(token) - 1):
        with pytest.raises(StampRefused):
            timestamps.check(token[:place] + bytes([token[place] ^ 1]) + token[place + 1 :], roots, NOTE)


@pytest.mark.parametrize("answer", [(200, b""), (200, b"<html>"), (500, b""), (302, b""), (200, b"x" * 70_000)])
def test_an_answer_that_is_no_stamp_is_refused(authority, roots, answer):
    authority.answer = answer
    with pytest.raises(StampRefused):
        timestamps.stamp(authority.url, roots, NOTE)
    authority.answer = None


def test_an_old_answer_played_again_is_refused(authority, roots):
    authority.answer = (200, timestamps.stamp(authority.url, roots, NOTE))
    with pytest.raises(StampRefused):
        timestamps.stamp(authority.url, roots, NOTE)
    authority.answer = None


def test_an_authority_that_is_away_and_a_root_that_is_none_are_told(roots, tmp_path):
    with pytest.raises(StampRefused, match="does not answer"):
        timestamps.stamp("http://127.0.0.1:9/tsr", roots, NOTE)
    with pytest.raises(StampRefused, match="CONSENT_TSA_ROOT_FILE"):
        timestamps.read_roots(tmp_path / "nowhere.pem")


def test_the_relay_has_one_checkpoint_a_day_stamped_and_mails_one_to_the_owner(open_house, tmp_path, authority):
    given = {"tsa_url": authority.url, "tsa_root_file": authority.root}
    house = open_house(f"sqlite:///{tmp_path}/consent.db", **given)
    Visitor(house).becomes_active()
    before = len(authority.asked)
    for _ in range(2):
        Chores(house.service, threading.Event()).run()
    assert len(authority.asked) == before + 1
    with house.service.reading() as connection:
        newest = sealer.newest(connection)
    timestamps.check(newest.timestamp_token, timestamps.read_roots(authority.root), newest.note)
    house.deliver()
    [mail] = house.mail.to(house.service.controller.contact_email)
    for line in newest.note.decode().strip().split("\n"):
        assert line in mail.text


def test_an_authority_that_fails_is_asked_again_after_an_hour_and_not_before(open_house, tmp_path, authority):
    given = {"tsa_url": authority.url, "tsa_root_file": authority.root}
    house = open_house(f"sqlite:///{tmp_path}/consent.db", **given)
    Visitor(house).becomes_active()
    authority.answer, before = (500, b""), len(authority.asked)
    with time_machine.travel(services.now(), tick=False) as clock:
        chores = Chores(house.service, threading.Event())
        for _ in range(3):
            chores.run()
        assert len(authority.asked) == before + 1
        authority.answer = None
        clock.shift(timedelta(hours=1))
        chores.run()
        assert len(authority.asked) == before + 2
    with house.service.reading() as connection:
        assert sealer.newest(connection).timestamp_token is not None
