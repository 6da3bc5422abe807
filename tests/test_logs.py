"""A run in which everything goes wrong, in real processes: no address, name, token, password or key is logged."""

import contextlib
import json
import re
import socket
from urllib.parse import quote

import pytest
from sqlalchemy import text

from consent_service import config
from tests.actors import Staff, Visitor, fi
from tests.household import DATA_KEY, NO_ACTIVECAMPAIGN, SECRET
from tests.processes import running
from tests.servers.smtp import MailServer

MOVED = "muuttanut.kanerva@example.org"
ADDRESS, OTHER, STAFF = (
    "Kanerva.Salamyhka@example.com",
    "poisoned.parsley@example.com",
    "heidi.hiljainen@keinuma.example",
)
NAMES = ("Kanervatar", "Salamyhkänen")
OCCASION, WRONG_PASSWORD, MAIL_PASSWORD = "kirsikkamessut Porissa", "hukkasanasana", "postisanasana"
NETWORK = "203.0.113.77"
HOOK = "koukkusana-0123456789-abcdefghijklmnop"
PRODUCTION = {
    "mode": "production",
    "public_url": "https://tilaus.keinuma.example",
    "controller_file": config.EXAMPLE_CONTROLLER,
}


@pytest.fixture
def house(request, tmp_path, contacts):
    contacts.token = "avain-activecampaigniin-1234"
    with MailServer(auth=("keinuma", MAIL_PASSWORD)) as mail:
        given = {"trusted_proxies": 1, "activecampaign_webhook_secret": HOOK, **request.param}
        with running(tmp_path, f"sqlite:///{tmp_path}/c.db", mail, contacts, **given) as house:
            yield house


def change(house, *statements):
    with house.service.transaction() as connection:
        for statement in statements:
            connection.execute(text(statement))


@contextlib.contextmanager
def broken(house, table):
    """While a table is away, every statement on it fails with its values in the message."""
    change(house, f"ALTER TABLE {table} RENAME TO away")
    yield
    change(house, f"ALTER TABLE away RENAME TO {table}")


def say(house, request):
    """Send bytes that are no HTTP and hear what the server says."""
    with socket.create_connection(("127.0.0.1", house.settings.port), timeout=20) as line:
        line.sendall(request.encode())
        line.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: line.recv(65536), b""))


def visitor(house, email, first=NAMES[0], last=NAMES[1]):
    found = Visitor(house, email, first, last)
    found.http.headers["X-Forwarded-For"] = NETWORK
    return found


def everything_happens(house):
    """The whole run; returns the secrets that came up on the way."""
    seen = {*NAMES, ADDRESS, OTHER, MOVED, STAFF, OCCASION, WRONG_PASSWORD, MAIL_PASSWORD, Staff.PASSWORD, NETWORK}
    seen |= {SECRET, DATA_KEY, house.contacts.token, HOOK}
    kanerva = visitor(house, ADDRESS)
    assert kanerva.subscribe(email=f"{ADDRESS}, {OTHER}").status == 400
    assert kanerva.subscribe(first_name=f"{NAMES[0]}\x00").status == 400
    house.mail.answer_next("rcpt", 450, f"<{ADDRESS}>: try later")
    assert kanerva.subscribe().status == 200
    house.wait_for(
        lambda: any("450" in (one.last_error or "") for one in house.messages()), "the mail server refuses for now"
    )
    change(house, "UPDATE outbox_message SET due_at = created_at")
    house.deliver()

    confirm = kanerva.link("confirm")
    for wrong in (f"{confirm.partition('?')[0]}x", f"/confirm/{ADDRESS}", f"/unsubscribe/{confirm.split('/')[-1]}"):
        assert house.get(wrong).status == 404
        assert house.post(wrong).status == 404
    for fault in ("500", "reset", "garbage"):
        house.contacts.fault(fault, "sync")
    assert kanerva.confirm().status == 200
    house.wait_for(lambda: house.contacts.status_of(ADDRESS) == 1 or hurry(house), "forwarded in the end")
    house.deliver()
    leave = kanerva.link("unsubscribe")
    seen |= {link.split("/")[-1].partition("?")[0] for link in (confirm, leave)}
    assert house.get("/unsubscribe").press(fi("Send me the link"), email=ADDRESS).status == 200
    assert kanerva.my_data().status == 200
    assert kanerva.move_to(MOVED).status == 200
    house.deliver()
    for place in ("/download", "/evidence", "/nothing", "x"):
        house.get(kanerva.link("my-data").replace("?", f"{place}?"))
    mailbox = visitor(house, MOVED)
    seen |= {link.split("/")[-1].partition("?")[0] for link in (kanerva.link("my-data"), mailbox.link("confirm"))}
    hint = {"type": "unsubscribe", "contact[id]": "1", "contact[email]": ADDRESS, "contact[phone]": "+358401234567"}
    assert house.post(f"/webhooks/activecampaign/{HOOK}", hint).status == 204
    assert house.post(f"/webhooks/activecampaign/{HOOK}x", hint).status == 404
    seen |= {"+358401234567"}
    house.deliver()
    assert kanerva.leave().status == 200

    parsley = visitor(house, OTHER)
    parsley.subscribe()
    house.deliver()
    parsley.decline()
    house.mail.answer_next("rcpt", 550, "<never@example.com>: no such user")
    visitor(house, "never@example.com").subscribe()
    house.deliver()

    unlisted = visitor(house, "unlisted.urho@example.com")
    unlisted.subscribe()
    house.deliver()
    house.contacts.stop()
    unlisted.confirm()
    house.wait_for(lambda: len(unlisted.mails()) == 2, "the welcome")
    house.wait_for(
        lambda: any("Connection" in (one.last_error or "") for one in house.messages()), "nobody answers there"
    )
    change(house, "UPDATE subscriber SET email = 'unlisted.urho at example' WHERE email LIKE 'unlisted%'")
    house.contacts.start()
    house.wait_for(
        lambda: "ActiveCampaign answered 422" in house.relay_process.said or hurry(house), "refused for good"
    )
    seen |= {unlisted.email, "unlisted.urho", unlisted.link("confirm").split("/")[-1].partition("?")[0]}

    heidi = Staff(house, STAFF, NAMES[0])
    assert fi("Log out") not in heidi.log_in(WRONG_PASSWORD).words
    heidi.log_in()
    assert heidi.add("Eero.Esimerkki@example.com", occasion=OCCASION).status == 200
    assert heidi.add(OTHER, occasion=OCCASION).status == 409
    assert heidi.add(f"{ADDRESS} ", occasion=OCCASION * 9).status == 400
    house.get("/staff/subscribers", heidi.http, params={"q": ADDRESS})
    seen |= {heidi.http.cookies["staff"], "Eero.Esimerkki@example.com"}

    unexpected_things_happen(house, heidi)
    return seen


def hurry(house):
    change(house, "UPDATE outbox_message SET due_at = created_at WHERE done_at IS NULL")


def unexpected_things_happen(house, heidi):
    for path in (f"/nothing/{ADDRESS}", f"/nothing/{quote(ADDRESS, safe='')}?email={ADDRESS}"):
        assert house.get(path).status == 404
    for table in ("allowance", "subscriber"):
        with broken(house, table):
            assert visitor(house, ADDRESS).subscribe().status == 503
    with broken(house, "outbox_message"):
        house.wait_for(lambda: "OperationalError" in house.relay_process.said, "the relay notices")
    change(house, "UPDATE subject_key SET wrapped = x'00'")
    assert visitor(house, ADDRESS).subscribe().status == 500
    assert house.get(f"/staff/subscribers/{house.person(ADDRESS).id}", heidi.http).status == 500
    heidi.add("poison@example.com", occasion=OCCASION)
    change(house, "UPDATE confirmation SET language = 'xx' WHERE used_at IS NULL")
    house.wait_for(lambda: "unexpected" in house.relay_process.said or hurry(house), "a letter cannot be written")
    say(house, f"GET /confirm/{ADDRESS} {OTHER} HTTP/1.1\r\n\r\n")
    say(house, f"{ADDRESS}\r\n\r\n")
    say(house, f"GET / HTTP/1.1\r\nHost: x\r\n{ADDRESS}\r\n\r\n")
    say(house, f"GET /{ADDRESS * 400} HTTP/1.1\r\nHost: x\r\n\r\n")
    say(house, f"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Length: {ADDRESS}\r\n\r\n")


@pytest.mark.parametrize("house", [{}, PRODUCTION], ids=["development", "production"], indirect=True)
def test_nothing_of_anybody_is_logged(house):
    secrets = everything_happens(house)
    house.stop()
    said = house.said
    assert "\x1b" not in said, "a log that goes into a file holds no colours"
    for secret in secrets:
        for form in {secret, quote(secret, safe=""), secret.partition("@")[0]}:
            assert form.lower() not in said.lower(), form
    assert not re.search(r"\S@\S+\.example", said)
    for told in (
        "/confirm/<token>",
        "/staff/subscribers/<uuid:subscriber_id>",
        "rejected",
        "retry",
        "unexpected error",
    ):
        assert told in said, "what happened can still be followed"


@pytest.mark.parametrize("house", [PRODUCTION | NO_ACTIVECAMPAIGN], indirect=True)
def test_in_production_every_line_is_a_json_object(house):
    visitor(house, ADDRESS).subscribe()
    house.deliver()
    house.get("/nothing")
    say(house, "nonsense\r\n\r\n")
    house.stop()
    announced, *lines = house.web_process.said.splitlines()
    assert announced == "Consent Service is at https://tilaus.keinuma.example/subscribe"
    events = [json.loads(line) for line in (*lines, *house.relay_process.said.splitlines())]
    assert {event["event"] for event in events} - {"sealed"} == {  # that one comes within a minute, so hardly ever here
        "request", "web server", "relay started", "outbox message", "relay stopped",
    }  # fmt: skip
    assert all({"timestamp", "level"} <= event.keys() for event in events)
