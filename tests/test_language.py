"""Finnish, Swedish and English: every sentence in all three with the same blanks; dates; which one is chosen."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from consent_service.config import PACKAGE
from consent_service.language import CODES, HELSINKI, choose, countries, language, mark
from consent_service.ledger.evidence import Occasion
from consent_service.notices.statements import DOORS

ROOT = PACKAGE.parent
KEYWORDS = {"_": None, "mark": None, "say": None, "_n": (1, 2), "count": (1, 2)}
BLANK = re.compile(r"%\((\w+)\)([a-z])")
WRITTEN = ["fi", "sv"]


@cache
def spoken():
    """Every sentence in the code and the templates: text, or (singular, plural), with where it stands."""
    with (ROOT / "babel.cfg").open() as source:
        methods, options = parse_mapping_cfg(source)
    found = {}
    for file, line, message, _, _ in extract_from_dir(ROOT, methods, options, KEYWORDS, directory_filter=_is_ours):
        found.setdefault(message, f"{file}:{line}")
    assert len(found) > 100, "the extraction itself is broken"
    return found


def _is_ours(folder):
    return not Path(folder).name.startswith(".")


@cache
def catalogue(code):
    with (PACKAGE / "locales" / f"{code}.po").open("rb") as source:
        return read_po(source, locale=code, abort_invalid=True)


def entries(code):
    return [message for message in catalogue(code) if message.id]


def strings(message):
    return message.string if isinstance(message.string, (tuple, list)) else (message.string,)


@pytest.mark.parametrize("code", WRITTEN)
def test_a_catalogue_holds_exactly_the_sentences_that_are_said(code):
    known, said = {message.id for message in entries(code)}, set(spoken())
    assert {message: spoken()[message] for message in said - known} == {}, "said but not written down"
    assert known - said == set(), "written down but never said"


def test_the_catalogues_are_in_one_order():
    assert [message.id for message in entries("fi")] == [message.id for message in entries("sv")]


@pytest.mark.parametrize("code", WRITTEN)
def test_nothing_is_left_untranslated_or_unsure(code):
    assert [message.id for message in entries(code) if not all(strings(message))] == []
    assert [message.id for message in entries(code) if message.fuzzy] == []
    assert catalogue(code).obsolete == {}


@pytest.mark.parametrize("code", WRITTEN)
def test_the_blanks_are_the_same(code):
    wrong = {}
    for message in entries(code):
        asked = message.id if isinstance(message.id, str) else message.id[-1]
        for string in strings(message):
            allowed = [sorted(BLANK.findall(asked))]
            if not isinstance(message.id, str):
                allowed.append([])  # "a minute" need not say the number
            if string and sorted(BLANK.findall(string)) not in allowed:
                wrong[asked] = string
    assert wrong == {}


@pytest.mark.parametrize("code", WRITTEN)
def test_no_stray_percent_signs_edges_or_markup(code):
    for message in entries(code):
        asked = message.id if isinstance(message.id, str) else message.id[0]
        for string in filter(None, strings(message)):
            if BLANK.search(asked):
                assert "%" not in BLANK.sub("", string).replace("%%", ""), asked
            assert string == string.strip(), asked
            assert "<" not in string, asked
            assert "\n" not in string, asked
            assert string[-1] in ".?!:" or asked[-1] not in ".?!:", asked


@pytest.mark.parametrize("code", WRITTEN)
def test_every_sentence_is_really_said_in_its_language(code):
    here = language(code)
    for message in entries(code):
        if isinstance(message.id, str) and all(strings(message)):
            assert here.say(message.id) == message.string
    assert here.say("never heard of") == "never heard of"


@pytest.mark.parametrize("code", CODES)
def test_one_and_many(code):
    here = language(code)
    one, many = (
        here.count("Wait a minute and try again.", "Wait %(number)s minutes and try again.", n) for n in (1, 7)
    )
    assert one != many
    assert "7" in many
    assert "%" not in one + many
    assert here.count("Wait a minute and try again.", "Wait %(number)s minutes and try again.", 0).count("0") == 1


@pytest.mark.parametrize(("code", "written"), [("fi", "12\xa0300"), ("sv", "12\xa0300"), ("en", "12,300")])
def test_large_numbers_are_written_as_they_are_here(code, written):
    here = language(code)
    assert (here.number(12300), here.number(999)) == (written, "999")
    assert written in here.count("Wait a minute and try again.", "Wait %(number)s minutes and try again.", 12300)


@pytest.mark.parametrize("code", WRITTEN)
def test_plural_forms_are_those_of_the_language(code):
    assert catalogue(code).num_plurals == 2
    assert str(catalogue(code).plural_expr).replace(" ", "") in ("(n!=1)", "n!=1")
    assert catalogue(code).charset == "utf-8"


def test_values_are_put_in_once_and_as_they_are():
    english = language("en")
    assert english.say("Hello %(name)s", name="100 % %(x)s %s") == "Hello 100 % %(x)s %s"
    assert english.say("100 %") == "100 %"
    assert mark("anything") == "anything"


# Dates


@pytest.mark.parametrize(
    ("code", "day", "moment"),
    [
        ("fi", "22.11.2026", "22.11.2026 klo 12.00"),
        ("sv", "22.11.2026", "22.11.2026 kl. 12.00"),
        ("en", "22 November 2026", "22 November 2026 at 12:00"),
    ],
)
def test_dates_are_written_as_they_are_here(code, day, moment):
    assert language(code).day(date(2026, 11, 22)) == day
    assert language(code).moment(datetime(2026, 11, 22, 10, 0, tzinfo=UTC)) == moment


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (datetime(2026, 1, 1, 22, 0, tzinfo=UTC), "2.1.2026 klo 00.00"),
        (datetime(2026, 12, 31, 21, 59, 59, tzinfo=UTC), "31.12.2026 klo 23.59"),
        (datetime(2026, 7, 1, 6, 5, tzinfo=UTC), "1.7.2026 klo 09.05"),
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "29.3.2026 klo 02.59"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "29.3.2026 klo 04.00"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "25.10.2026 klo 03.30"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "25.10.2026 klo 03.30"),
        (datetime(2026, 10, 25, 2, 0, tzinfo=UTC), "25.10.2026 klo 04.00"),
        (datetime(2026, 11, 22, 12, 0, tzinfo=HELSINKI), "22.11.2026 klo 12.00"),
        (datetime(2028, 2, 29, 12, 0, tzinfo=UTC), "29.2.2028 klo 14.00"),
    ],
)
def test_moments_are_told_in_helsinki_time_also_when_the_clocks_change(at, told):
    assert language("fi").moment(at) == told


@pytest.mark.parametrize(
    ("hours", "finnish", "swedish", "english"),
    [
        (0, "tänään klo 12.00", "i dag kl. 12.00", "today at 12:00"),
        (-12, "tänään klo 00.00", "i dag kl. 00.00", "today at 00:00"),
        (-13, "eilen klo 23.00", "i går kl. 23.00", "yesterday at 23:00"),
        (-36, "eilen klo 00.00", "i går kl. 00.00", "yesterday at 00:00"),
        (-37, "2 päivää sitten", "för 2 dagar sedan", "2 days ago"),
        (-72, "3 päivää sitten", "för 3 dagar sedan", "3 days ago"),
        (-6 * 24, "6 päivää sitten", "för 6 dagar sedan", "6 days ago"),
        (-7 * 24, "1 viikko sitten", "för 1 vecka sedan", "1 week ago"),
        (-360 * 24, "12 kuukautta sitten", "för 12 månader sedan", "12 months ago"),
        (11, "tänään klo 23.00", "i dag kl. 23.00", "today at 23:00"),
        (12, "huomenna klo 00.00", "i morgon kl. 00.00", "tomorrow at 00:00"),
        (48, "2 päivän päästä", "om 2 dagar", "in 2 days"),
    ],
)
def test_moments_in_lists_are_told_as_people_speak_of_them(hours, finnish, swedish, english):
    now = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
    at = now + timedelta(hours=hours)
    assert [language(code).relative(at, now) for code in CODES] == [finnish, swedish, english]


# The choice


@pytest.mark.parametrize(
    ("asked", "accepted", "chosen"),
    [
        ("sv", ["en"], "sv"),
        ("fi", [], "fi"),
        ("de", ["en"], "en"),
        ("", ["sv"], "sv"),
        ("EN", ["sv"], "sv"),
        ("en'--", [], "fi"),
        (None, ["en-GB", "fi"], "en"),
        (None, ["de", "sv-FI", "en"], "sv"),
        (None, ["SV-FI"], "sv"),
        (None, ["EN"], "en"),
        (None, ["en_GB"], "en"),
        (None, ["sv-Latn-FI-x-mine"], "sv"),
        (None, ["de", "fr"], "fi"),
        (None, ["*"], "fi"),
        (None, [], "fi"),
        (None, ["", "-", "\x00", "x" * 10_000, "\ud800"], "fi"),
        (None, ["finnish", "svenska"], "fi"),
    ],
)
def test_the_language_asked_for_then_the_browsers_then_finnish(asked, accepted, chosen):
    assert choose(asked, accepted).code == chosen


def test_there_are_three_languages_and_no_others():
    assert CODES == ("fi", "sv", "en")
    for code in ("de", "", "../fi", "FI", "fi_FI"):
        with pytest.raises(KeyError):
            language(code)


def test_a_language_that_somebody_does_not_take_is_not_spoken(sqlite_house):
    page = sqlite_house.get("/subscribe", headers={"Accept-Language": "no;q=1,en;q=0"})
    assert page.answer.headers["Content-Language"] == "fi"


def test_every_door_that_a_persons_evidence_may_name_has_words():
    [doors] = re.findall(r"`door` is (.*?);", Occasion.__doc__, re.DOTALL)
    others = {"banner", "cookies"}  # of choices about cookies, which are nobody's
    assert set(re.findall(r"`([a-z-]+)`", doors)) - others == set(DOORS)


@pytest.mark.parametrize(
    ("code", "in_order"),
    [
        ("fi", ["Suomi", "Ranska", "Réunion", "Romania", "Tšad", "Tunisia", "Valko-Venäjä", "Venäjä", "Vietnam"]),
        ("sv", ["Finland", "Moçambique", "Moldavien", "Västsahara", "Zimbabwe", "Åland", "Österrike", "Östtimor"]),
        ("en", ["Finland", "Afghanistan", "Åland Islands", "Albania", "Costa Rica", "Côte d’Ivoire", "Croatia"]),
    ],
)
def test_countries_stand_where_a_reader_looks_for_them(code, in_order):
    named = list(countries(code).values())
    assert sorted(in_order, key=named.index) == in_order
