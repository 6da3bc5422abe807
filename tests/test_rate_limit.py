"""Counting networks and logins: together in Redis, alone without it, and never at a visitor's expense."""

import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
import structlog
import time_machine

from consent_service import service as services
from consent_service.limits.rate_limit import RateLimit, so_many_times
from consent_service.watch import doctor
from tests.actors import Visitor
from tests.household import NO_ACTIVECAMPAIGN
from tests.servers.redis import Redis, is_installed

needs_redis = pytest.mark.skipif(
    not is_installed(), reason="Redis is not installed (apt install redis-server): counting together was NOT tested"
)


@pytest.fixture(scope="module")
def store():
    with Redis() as server:
        yield server


@pytest.fixture
def asked(store):
    """Redis, with nothing in it."""
    with redis.from_url(store.url) as client:
        client.flushall()
    return store


def said(entries):
    return [entry["event"] for entry in entries]


def findings(house):
    return {finding.part: finding.state for finding in doctor.examine(house.service)}


@needs_redis
def test_two_web_processes_count_a_network_together(open_house, tmp_path, asked):
    url = f"sqlite:///{tmp_path}/c.db"
    houses = [open_house(url, limit_ip="3/10 minutes", redis_url=asked.url) for _ in range(2)]
    pages = [Visitor(houses[number % 2], f"p{number}@example.com").subscribe() for number in range(5)]
    assert [page.status for page in pages] == [200, 200, 200, 429, 429]
    assert 500 < int(pages[-1].answer.headers["Retry-After"]) <= 600
    with redis.from_url(asked.url, decode_responses=True) as client:
        keys = client.keys()
        assert keys and all(0 < client.ttl(key) <= 600 for key in keys), "nothing is kept longer than it counts"
        assert not [key for key in keys if "127.0.0.1" in key or "example.com" in key]
        assert all(client.llen(key) <= 3 for key in keys), "not more is kept than is allowed"


@needs_redis
def test_many_at_once_are_allowed_as_many_as_the_limit_says(asked):
    together = [RateLimit(asked.url, "7/minute;20/hour") for _ in range(3)]
    with ThreadPoolExecutor(12) as threads:
        waits = list(threads.map(lambda number: together[number % 3].take("act", "who"), range(60)))
    assert waits.count(None) == 7
    with redis.from_url(asked.url) as client:
        assert {client.llen(key) for key in client.scan_iter()} == {7}, "what is refused counts in neither span"


@pytest.mark.parametrize("kind", ["alone", pytest.param("together", marks=needs_redis)])
def test_what_is_given_back_may_be_taken_again_and_nothing_more(request, kind):
    url = request.getfixturevalue("asked").url if kind == "together" else ""
    limit = RateLimit(url, "3/minute;4/hour")
    limit.give_back("act", "who")
    assert [limit.take("act", "who") for _ in range(3)] == [None] * 3
    limit.give_back("act", "other")
    assert limit.take("act", "who") is not None
    limit.give_back("act", "who")
    assert limit.take("act", "who") is None
    assert limit.take("act", "who") is not None
    for _ in range(9):
        limit.give_back("act", "who")
    assert [limit.take("act", "who") is None for _ in range(4)] == [True, True, True, False]


@needs_redis
def test_one_process_gives_back_what_another_took(asked):
    one, other = RateLimit(asked.url, "1/minute"), RateLimit(asked.url, "1/minute")
    assert one.take("act", "who") is None
    other.give_back("act", "who")
    assert one.take("act", "who") is None
    asked.stop()
    other.give_back("act", "who")
    assert other.is_away
    asked.start()


@needs_redis
def test_a_redis_that_goes_away_is_noticed_once_and_asked_again_by_itself(asked):
    limit = RateLimit(asked.url, "2/minute", ask_again_s=0.3)
    with structlog.testing.capture_logs() as entries:
        assert limit.take("act", "who") is None
        asked.stop()
        waits = [limit.take("act", "who") for _ in range(5)]
        assert [wait is None for wait in waits] == [True, True, False, False, False], "alone it counts from the start"
        assert limit.is_away
        asked.start()
        while limit.is_away:
            time.sleep(0.05)
            limit.take("act", "other")
        assert limit.take("act", "who") is None
    assert said(entries) == [
        "the store of rate limits is away; this process counts alone", "the store of rate limits is back",
    ]  # fmt: skip


@needs_redis
def test_a_redis_that_stands_still_holds_nobody_up(asked):
    limit, other = RateLimit(asked.url, "2/minute"), RateLimit(asked.url, "2/minute")
    assert limit.take("act", "who") is None
    asked.freeze()
    try:
        began = time.monotonic()
        for number in range(200):
            limit.take("act", f"who{number}")
            other.take("act", f"who{number}")
        assert time.monotonic() - began < 3, "each waits for it once"
    finally:
        asked.thaw()
    assert limit.is_away and other.is_away


@needs_redis
def test_whoever_watches_is_told_that_redis_is_away(open_house, tmp_path, asked):
    house = open_house(f"sqlite:///{tmp_path}/c.db", limit_ip="9/minute", redis_url=asked.url, **NO_ACTIVECAMPAIGN)
    assert findings(house)["limits"] == "good"
    assert house.get("/readyz").answer.json()["limits"] == "ok"
    asked.stop()
    assert Visitor(house).subscribe().status == 200
    page = house.get("/readyz")
    assert (page.status, page.answer.json()["limits"]) == (200, "counted alone")
    assert findings(house)["limits"] == "wrong"
    asked.start()


@pytest.mark.parametrize(
    ("limit", "who", "pause_s"),
    [("5/10 minutes;20/day", "{day}.{number}", 24 * 3600 + 1), ("1000000/minute", "who", 61)],
    ids=["of many", "of one who never stops"],
)
def test_what_does_not_count_any_more_is_not_kept(limit, who, pause_s):
    asked = RateLimit("", limit)
    tracemalloc.start()
    with time_machine.travel(services.now(), tick=False) as clock:
        held = []
        for day in range(4):
            for number in range(3000):
                asked.take("act", who.format(day=day, number=number))
            held.append(tracemalloc.get_traced_memory()[0])
            clock.shift(pause_s)
    tracemalloc.stop()
    assert held[-1] < 1.3 * held[1], held


def test_the_wait_is_until_the_first_of_those_that_count_is_over():
    limit = RateLimit("", "2/minute;3/hour")
    with time_machine.travel(services.now(), tick=False) as clock:
        assert [limit.take("act", "who") for _ in range(3)] == [None, None, 60]
        clock.shift(59)
        assert limit.take("act", "who") == 1
        clock.shift(1)
        assert limit.take("act", "other") is None
        assert [limit.take("act", "who") for _ in range(2)] == [None, 3540]


def test_off_counts_nothing():
    limit = RateLimit("", "off")
    assert [limit.take("act", "who") for _ in range(3)] == [None] * 3


@pytest.mark.parametrize(
    ("limit", "more"),
    [("5/10 minutes", "60/600 seconds"), ("1/hour;3 per day", "12/3600 seconds;36/86400 seconds"), ("off", "off")],
)
def test_a_limit_of_so_many_times_as_much(limit, more):
    assert so_many_times(limit, 12) == more
