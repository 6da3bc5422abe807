"""The doors of the house: which are open to all, which ask for a login or a key, and that looking changes nothing."""

import re
from datetime import datetime, timedelta

from consent_service import service as services
from consent_service.models.inbox import contact_message
from tests.actors import Visitor
from tests.asker import Desk
from tests.conftest import on_both_databases
from tests.machine import Machine
from tests.register import add_customer

OPEN_TO_ALL = {
    "root", "static", "pages.brand", "pages.icon", "pages.logo", "health.alive", "health.ready", "metrics.show",
    "health.security_contact", "api.describe",
    "security.login", "security.static", "webhooks.take_hint",
    "cookies.show", "cookies.show_choice", "cookies.erase", "cookies.show_banner", "cookies.take_choice",
    "privacy.show", "privacy.show_text", "embed.script", "embed.form",
    "development.mailbox", "development.mail", "development.mail_html",
    "development.site", "development.statistics", "development.video",
}  # fmt: skip
OPEN_DOORS = ("public.", "contact.", "my_data.", "evidence.", "entrance.")
BEHIND_LOGIN_BY_FLASK_SECURITY = {"security.logout", "security.verify"}


def test_every_staff_route_is_guarded_and_every_other_one_is_known(sqlite_house):
    for rule in sqlite_house.app.url_map.iter_rules():
        if rule.endpoint in OPEN_TO_ALL or rule.endpoint.startswith(OPEN_DOORS):
            continue
        if rule.endpoint.startswith("api."):
            continue  # test_every_address_of_the_api_wants_a_key
        staff_only = rule.endpoint.startswith("console.") or rule.endpoint in BEHIND_LOGIN_BY_FLASK_SECURITY
        assert staff_only, f"{rule.endpoint} is neither public nor guarded: decide"
        # tests/flows/test_console_login.py opens none of what stands there without a login
        assert rule.rule.startswith("/staff/"), rule.rule


def test_every_address_of_the_api_wants_a_key(sqlite_house):
    rules = [rule for rule in sqlite_house.app.url_map.iter_rules() if rule.endpoint.startswith("api.")]
    guarded = [rule for rule in rules if rule.endpoint not in OPEN_TO_ALL]
    assert len(guarded) >= 4
    for rule in guarded:
        for method in rule.methods:
            answer = sqlite_house.http.request(method, sqlite_house.url + rule.rule, json={}, timeout=20)
            assert answer.status_code == 401, (method, rule.rule)


@on_both_databases
def test_no_get_changes_a_row(open_house, database_url):
    house = open_house(database_url, allowed_origins="https://www.keinuma.example")
    aino = Visitor(house).becomes_active()
    Visitor(house, "eero@example.com").subscribe()
    Visitor(house).write()
    [written] = house.rows(contact_message)
    house.deliver()
    tokens, person = house.service.tokens, house.person(aino.email)
    ask = house.asks("eero@example.com")[0]
    desk = Desk(house)
    desk.take("access", email=aino.email)
    desk.verify("mailbox")
    places = {
        "/confirm/<token>": f"/confirm/{tokens.for_confirmation(ask.id)}",
        "/unsubscribe/<token>": f"/unsubscribe/{tokens.for_unsubscribing(person.id)}",
        "/staff/subscribers/<uuid:subscriber_id>": f"/staff/subscribers/{person.id}",
        **{
            f"/staff/subscribers/<uuid:subscriber_id>/{act}": f"/staff/subscribers/{person.id}/{act}"
            for act in ("hold", "release", "erase", "there")
        },
        "/staff/contact-messages/<uuid:message_id>": f"/staff/contact-messages/{written.id}",
        "/staff/contact-messages/<uuid:message_id>/erase": f"/staff/contact-messages/{written.id}/erase",
        "/staff/accounts/<uuid:account_id>": f"/staff/accounts/{house.account(desk.heidi.email).id}",
        "/staff/accounts/<uuid:account_id>/<change>": f"/staff/accounts/{house.account(desk.heidi.email).id}/end",
        "/staff/invitation/<token>": f"/staff/invitation/{house.invitation('uusi@keinuma.example')}",
    }
    for rule in house.app.url_map.iter_rules():
        if rule.rule.startswith("/staff/data-requests/<"):
            path = re.sub(r"<int[^>]*>", str(desk.number), rule.rule)
            places[rule.rule] = path.replace("<place>", "spreadsheet").replace("<kind>", "received")
    first, second = add_customer(house), add_customer(house, "eero@example.com", last_name="Niemi")
    customer = "/staff/customers/<uuid:customer_id>"
    places |= {
        f"{customer}{act}": f"/staff/customers/{first}{act}"
        for act in ("", "/change", "/restrict", "/lift", "/erase", "/merge")
    }
    places[f"{customer}/merge/<uuid:other_id>"] = f"/staff/customers/{first}/merge/{second}"
    own_page = tokens.for_my_data(person.id, house.service.vault.address_mark(person.email_key))
    machine = Machine(house)
    places |= {
        "/staff/api-keys/<key_id>/disable": f"/staff/api-keys/{machine.id}/disable",
        "/api/v1/consent-texts": "/api/v1/consent-texts?lang=fi",
        "/embed/form": "/embed/form?lang=fi",
    }
    sent = {"Authorization": f"Bearer {machine.key}", "Origin": "https://www.keinuma.example"}
    places |= {
        rule.rule: rule.rule.replace("<token>", own_page)
        for rule in house.app.url_map.iter_rules()
        if rule.rule.startswith("/my-data/")
    }
    methods = ("GET", "HEAD", "OPTIONS") if database_url.startswith("sqlite") else ("GET",)  # the others ask no more
    before, opened = house.everything(), 0
    for rule in house.app.url_map.iter_rules():
        path = places.get(rule.rule, rule.rule)
        if "GET" in rule.methods and "<" not in path:
            for method in methods:
                answer = desk.heidi.http.request(method, house.url + path, headers=sent, timeout=20)
                assert answer.status_code not in (401, 403), f"{method} {path} was not opened"
                opened += 1
    assert opened > 30
    assert house.everything() == before
    assert len(house.looks()) > 8, "who looked at whom is noted, as decision 022 says"


def test_whoever_finds_a_weakness_reads_whom_to_tell(sqlite_house):
    answer = sqlite_house.get("/.well-known/security.txt").answer
    told = dict(line.split(": ", 1) for line in answer.text.splitlines())
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert told["Contact"] == f"mailto:{sqlite_house.service.controller.contact_email}"
    assert told["Canonical"] == f"{sqlite_house.settings.public_url}/.well-known/security.txt"
    assert timedelta(days=180) < datetime.fromisoformat(told["Expires"]) - services.now() < timedelta(days=366)
