"""What the doctor finds missing from the privacy statement: every kind of fault, by itself, and nothing else."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from consent_service import retention
from consent_service.language import CODES, language
from consent_service.notices import privacy, privacy_check
from consent_service.notices.privacy import OMBUDSMAN, OMBUDSMAN_MAIL, Sources
from consent_service.retention_rule import Rule
from tests.household import CONTROLLER

TODAY = CONTROLLER.statement_changed
[ACTIVECAMPAIGN] = CONTROLLER.recipient


def looked(controller=CONTROLLER, rules=retention.RULES, earlier=(), **given):
    """What the doctor looks at for a controller: the statements as they are made for it."""
    sources = Sources(controller, rules, "truncated")
    texts = {code: privacy.statement(language(code), sources).content.decode() for code in CODES}
    return replace(privacy_check.Looked(sources, texts, earlier, forwards=True), **given)


def with_controller(**values):
    return CONTROLLER.model_copy(update=values)


def the_fault(found):
    [fault] = privacy_check.faults(found)
    return fault


def test_the_example_says_it_all():
    assert privacy_check.faults(looked()) == []
    assert privacy_check.faults(looked(earlier=[TODAY, TODAY - timedelta(days=100)])) == []


@pytest.mark.parametrize("name", privacy_check.WHO)
def test_nobody_to_turn_to(name):
    for empty in ("", "  "):
        assert the_fault(looked(with_controller(**{name: empty}))).endswith(f"fill in {name} in the controller file")


@pytest.mark.parametrize("names", [["first_published"], ["changed"], ["first_published", "changed"]])
def test_no_date(names):
    names = [f"statement_{name}" for name in names]
    told = the_fault(looked(with_controller(**dict.fromkeys(names))))
    assert f"set {' and '.join(names)} in the controller file" in told


def test_a_date_older_than_words_already_replaced():
    told = the_fault(looked(earlier=[TODAY - timedelta(days=9), TODAY + timedelta(days=1)]))
    assert f"changed after {TODAY + timedelta(days=1)}, but it says {TODAY}; set statement_changed" in told


def test_activecampaign_is_used_but_not_named():
    told = the_fault(looked(with_controller(recipient=())))
    assert "ActiveCampaign" in told and "[[recipient]]" in told
    assert privacy_check.faults(looked(with_controller(recipient=()), forwards=False)) == []
    other = ACTIVECAMPAIGN.model_copy(update={"name": "A mail company"})
    assert "ActiveCampaign" in the_fault(looked(with_controller(recipient=(other,))))


def test_no_ground_for_a_transfer():
    bare = ACTIVECAMPAIGN.model_copy(update={"transfer_ground": {}})
    told = the_fault(looked(with_controller(recipient=(bare,))))
    assert "on what ground data goes to ActiveCampaign, LLC" in told and "[recipient.transfer_ground]" in told
    inside = bare.model_copy(update={"is_outside_eea": False})
    assert privacy_check.faults(looked(with_controller(recipient=(inside,)))) == []


@pytest.mark.parametrize("code", CODES)
def test_no_word_on_where_to_complain(code):
    whole = looked()
    for missing in (OMBUDSMAN[code], OMBUDSMAN_MAIL):
        texts = whole.texts | {code: whole.texts[code].replace(missing, "")}
        assert f"in {code} it does not say where to complain" in the_fault(replace(whole, texts=texts))


@pytest.mark.parametrize("code", CODES)
def test_each_rule_of_how_long_is_named_in_each_language(code):
    whole, say = looked(), language(code).say
    for rule in retention.RULES:
        without = whole.texts[code].replace(f"### {say(rule.what)}\n", "")
        told = the_fault(replace(whole, texts=whole.texts | {code: without}))
        assert f"in {code} it does not say how long is kept: {rule.what}" in told


def test_a_rule_that_nobody_has_translated():
    new = Rule("new", "Something new", "two days", "Because.")
    found = privacy_check.faults(looked(rules=(*retention.RULES, new)))
    assert [fault.partition(" it ")[0] for fault in found] == ["in fi", "in sv"]
    assert all("Something new; two days" in fault for fault in found)


def test_backups_that_outlive_the_promised_year():
    assert privacy_check.faults(looked(with_controller(backups_kept_days=13))) == []
    told = the_fault(looked(with_controller(backups_kept_days=14)))
    assert "backups are kept for 14 days; set backups_kept_days to at most 13" in told


def test_several_faults_are_all_told():
    controller = with_controller(recipient=(), contact_email="", statement_changed=None, backups_kept_days=30)
    assert len(privacy_check.faults(looked(controller))) == 4
    assert privacy_check.faults(looked(controller, earlier=[date(2030, 1, 1)])), "no date to compare with"
