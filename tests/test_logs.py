"""A run in which everything happens and much goes wrong, in real processes: what is secret about it is never logged."""

import contextlib
import json
import re
import socket
from urllib.parse import quote

from sqlalchemy import text

from consent_service import config
from tests.actors import Staff, Visitor, fi
from tests.household import CONTROLLER, DATA_KEY, NO_ACTIVECAMPAIGN, SECRET
from tests.machine import Machine
from tests.processes import running
from tests.servers.smtp import MailServer

MOVED = "muuttanut.kanerva@example.org"
ADDRESS, OTHER, STAFF = (
    "Kanerva.Salamyhka@example.com",
    "poisoned.parsley@example.com",
    "heidi.hiljainen@keinuma.example",
)
ADDED, UNLISTED, BROUGHT, STRANGER = (
    "Eero.Esimerkki@example.com",
    "unlisted.urho@example.com",
    "tuotu.tuulikki@example.com",
    "vieras.vadelma@example.com",
)
NAMES = ("Kanervatar", "Salamyhkänen")
OCCASION, REASON, WRONG_PASSWORD = "kirsikkamessut Porissa", "riita laskusta 4711", "hukkasanasana"
WRITTEN = "salaisuus lomakkeella"
MAIL_PASSWORD, HELD_THERE, PHONE = "postisanasana", "lounas-tilaaja", "+358401234567"
NETWORK = "203.0.113.77"
HOOK = "koukkusana-0123456789-abcdefghijklmnop"
WATCHER = "vahtisana-0123456789-abcdefghijklmnop"
PRODUCTION = {
    "mode": "production",
    "public_url": "https://tilaus.keinuma.example",
    "controller_file": config.EXAMPLE_CONTROLLER,
}
NOTHING_OF = {
    *NAMES, ADDRESS, OTHER, MOVED, STAFF, ADDED, UNLISTED, BROUGHT, STRANGER, OCCASION, REASON, WRONG_PASSWORD, WRITTEN,
    MAIL_PASSWORD, Staff.PASSWORD, HELD_THERE, PHONE, NETWORK, HOOK, WATCHER, SECRET, DATA_KEY,
}  # fmt: skip


@contextlib.contextmanager
def at_home(folder, contacts, **given):
    contacts.token = "avain-activecampaigniin-1234"
    usual = {"trusted_proxies": 1, "activecampaign_webhook_secret": HOOK, "metrics_token": WATCHER, "seal_every_s": 1}
    with (
        MailServer(auth=("keinuma", MAIL_PASSWORD)) as mail,
        running(folder, f"sqlite:///{folder}/c.db", mail, contacts, **(usual | given)) as house,
    ):
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


def hurry(house):
    change(house, "UPDATE outbox_message SET due_at = created_at WHERE done_at IS NULL")


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


def token(link):
    return link.split("/")[-1].partition("?")[0]


def is_noted(house, words):
    return any(words in (one.last_error or "") for one in house.messages())


# The run, story by story; each returns the secrets that came up in it, or what somebody was told


def somebody_subscribes(house):
    kanerva = visitor(house, ADDRESS)
    assert kanerva.subscribe(email=f"{ADDRESS}, {OTHER}").status == 400
    assert kanerva.subscribe(first_name=f"{NAMES[0]}\x00").status == 400
    house.mail.answer_next("rcpt", 450, f"<{ADDRESS}>: try later")
    assert kanerva.subscribe().status == 200
    house.wait_for(lambda: is_noted(house, "450"), "the mail server refuses for now")
    hurry(house)
    house.deliver()
    assert kanerva.write(message=WRITTEN, phone=PHONE).status == 200
    house.wait_for(lambda: house.mail.to(CONTROLLER.contact_email), "the owner is told")
    confirm = kanerva.link("confirm")
    for wrong in (f"{confirm.partition('?')[0]}x", f"/confirm/{ADDRESS}", f"/unsubscribe/{confirm.split('/')[-1]}"):
        assert house.get(wrong).status == 404
        assert house.post(wrong).status == 404
    house.contacts.fault("garbage", "sync")
    assert kanerva.confirm().status == 200
    house.wait_for(lambda: house.contacts.status_of(ADDRESS) == 1 or hurry(house), "forwarded in the end")
    house.deliver()
    return {token(confirm), token(kanerva.link("unsubscribe"))}


def they_look_at_their_data_and_leave(house):
    kanerva = visitor(house, ADDRESS)
    assert house.get("/unsubscribe").press(fi("Send me the link"), email=ADDRESS).status == 200
    assert kanerva.my_data().status == 200
    own = kanerva.link("my-data")
    house.get(own.replace("?", "/name?")).press(fi("Save the name"), first_name=NAMES[1], last_name=NAMES[0])
    assert kanerva.move_to(MOVED).status == 200
    house.deliver()
    for place in ("/download", "/evidence", "/nothing", "x"):
        house.get(kanerva.link("my-data").replace("?", f"{place}?"))
    hint = {"type": "unsubscribe", "contact[id]": "1", "contact[email]": ADDRESS, "contact[phone]": PHONE}
    assert house.post(f"/webhooks/activecampaign/{HOOK}", hint).status == 204
    assert house.post(f"/webhooks/activecampaign/{HOOK}x", hint).status == 404
    house.deliver()
    assert kanerva.leave().status == 200
    return {token(own), token(kanerva.link("my-data")), token(visitor(house, MOVED).link("confirm"))}


def others_decline_or_cannot_be_reached(house):
    parsley = visitor(house, OTHER)
    parsley.subscribe()
    house.deliver()
    parsley.decline()
    house.mail.answer_next("rcpt", 550, "<never@example.com>: no such user")
    visitor(house, "never@example.com").subscribe()
    unlisted = visitor(house, UNLISTED)
    unlisted.subscribe()
    house.deliver()
    house.contacts.stop()
    unlisted.confirm()
    house.wait_for(lambda: len(unlisted.mails()) == 2, "the welcome")
    house.wait_for(lambda: is_noted(house, "Connection"), "nobody answers there")
    change(house, "UPDATE subscriber SET email = 'unlisted.urho at example' WHERE email LIKE 'unlisted%'")
    house.contacts.start()
    house.wait_for(
        lambda: "ActiveCampaign answered 422" in house.relay_process.said or hurry(house), "refused for good"
    )
    return {"unlisted.urho", token(unlisted.link("confirm"))}


def staff_work(house, heidi):
    assert fi("Log out") not in heidi.log_in(WRONG_PASSWORD).words
    heidi.log_in()
    assert heidi.add(ADDED, occasion=OCCASION).status == 200
    assert heidi.add(OTHER, occasion=OCCASION).status == 409
    assert heidi.add(f"{ADDRESS} ", occasion=OCCASION * 9).status == 400
    house.get("/staff/subscribers", heidi.http, params={"q": ADDRESS})
    place = f"/staff/subscribers/{house.person(ADDRESS).id}"
    house.get(f"{place}/hold?lang=fi", heidi.http).press(fi("Keep the data"), reason=REASON)
    house.get(f"{place}/there?lang=fi", heidi.http).press(fi("Fetch what ActiveCampaign holds"))
    return {heidi.http.cookies["staff"]}


def an_earlier_list_is_brought_over_and_compared(house, heidi):
    """So many at once that they go together; somebody on the list there is a stranger."""
    rows = [f"{number}.{BROUGHT};{NAMES[0]};{NAMES[1]};double-opt-in;2.1.2024" for number in range(25)]
    table = ["Sähköposti;Etunimi;Sukunimi;Peruste;Päivä", *rows, f"{STRANGER}x y;{NAMES[0]};;asiakas;"]
    (house.folder / "list.csv").write_text("\n".join(table))
    done = house.run("import", "file", "list.csv", "--staff-name", NAMES[1], "--json")
    assert json.loads(done.stdout)["imported"] == 25
    house.contacts.add(STRANGER, status=1)
    house.wait_for(lambda: "outbox batch" in house.relay_process.said, "they go together")
    house.get("/staff/activecampaign?lang=fi", heidi.http).press(fi("Compare now"))
    house.wait_for(lambda: "compared" in house.relay_process.said, "compared")
    return done.stdout + done.stderr


def another_program_asks(house):
    program = Machine(house, name=OCCASION)
    assert program.subscribe(OTHER, "a word that is none").status_code == 400
    assert program.subscribe(OTHER, HOOK, first_name=NAMES[0]).status_code == 202
    assert program.status(ADDRESS)["status"] == "passive"
    assert program.withdraw(OTHER, HOOK).status_code == 422
    assert program.withdraw(f"{ADDRESS} {OTHER}").status_code == 422
    wrong = {"Authorization": f"Bearer {program.key}x"}
    assert program.ask("POST", f"/status?{ADDRESS}", json={"email": ADDRESS}, headers=wrong).status_code == 401
    assert program.ask("GET", f"/{ADDRESS}").status_code == 404
    return {program.key, program.key.split("_", 2)[2]}


def watchers_look(house):
    owner = visitor(house, CONTROLLER.contact_email)
    before = len(owner.mails())
    change(house, "UPDATE daily_run SET done_on = '2020-01-06' WHERE name IN ('digest', 'purge')")
    house.wait_for(lambda: len(owner.mails()) == before + 2, "the day's checkpoint and the week's digest")
    answers = [house.get("/metrics", headers={"Authorization": f"Bearer {WATCHER}{more}"}) for more in ("", "x")]
    assert [answer.status for answer in answers] == [200, 404]
    for path in ("/readyz", f"/readyz?{ADDRESS}", f"/metrics?token={WATCHER}"):
        house.get(path)
    return answers[0].answer.text


def commands_are_run(house):
    """What each of them says, on both streams."""
    words = (["doctor"], ["digest"], ["audit"], ["reconcile", "--apply"])
    done = [house.run(*one) for one in words]
    house.wait_for(lambda: "fetched" in house.relay_process.said, "what is held there has been read meanwhile")
    return "".join(one.stdout + one.stderr for one in done)


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
    unwritten = "UPDATE outbox_message SET done_at = NULL, due_at = created_at WHERE kind = 'confirmation'"
    change(house, "UPDATE confirmation SET language = 'xx' WHERE used_at IS NULL", unwritten)
    house.wait_for(lambda: "failed unexpectedly" in house.relay_process.said, "a letter cannot be written")
    nobody_speaks_http(house)


def nobody_speaks_http(house):
    say(house, f"GET /confirm/{ADDRESS} {OTHER} HTTP/1.1\r\n\r\n")
    say(house, f"{ADDRESS}\r\n\r\n")
    say(house, f"GET / HTTP/1.1\r\nHost: x\r\n{ADDRESS}\r\n\r\n")
    say(house, f"GET /{ADDRESS * 400} HTTP/1.1\r\nHost: x\r\n\r\n")
    say(house, f"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Length: {ADDRESS}\r\n\r\n")


def assert_nothing_is_told(secrets, said):
    for secret in secrets:
        for form in {secret, quote(secret, safe=""), secret.partition("@")[0]}:
            assert form.lower() not in said.lower(), form
    assert not re.search(r"\S@\S+\.example", said)


def test_nothing_of_anybody_is_logged_and_every_line_is_a_json_object(tmp_path, contacts):
    with at_home(tmp_path, contacts, **PRODUCTION) as house:
        heidi, secrets = Staff(house, STAFF, NAMES[0]), NOTHING_OF | {contacts.token}
        secrets |= somebody_subscribes(house)
        secrets |= they_look_at_their_data_and_leave(house)
        secrets |= others_decline_or_cannot_be_reached(house)
        secrets |= staff_work(house, heidi)
        secrets |= another_program_asks(house)
        told = an_earlier_list_is_brought_over_and_compared(house, heidi)
        told += watchers_look(house)
        told += commands_are_run(house)
        unexpected_things_happen(house, heidi)
        house.stop()
    announced, *lines = house.web_process.said.splitlines()
    assert announced == "Consent Service is at https://tilaus.keinuma.example/subscribe"
    events = [json.loads(line) for line in (*lines, *house.relay_process.said.splitlines())]
    assert all({"timestamp", "level", "event"} <= event.keys() for event in events)
    assert_nothing_is_told(secrets, house.said + told)
    unexpected = [event for event in events if event["event"] in ("unexpected error", "delivery failed unexpectedly")]
    assert all(re.fullmatch(r"\w+\.py:\d+", event["where"][-1]) for event in unexpected), "and be found"
    for words in (
        "/confirm/<token>",
        "/staff/subscribers/<uuid:subscriber_id>",
        "rejected",
        "retry",
        "outbox batch",
        "sealed",
        "unexpected error",
    ):
        assert words in house.said, f"what happened can still be followed: {words}"


def test_in_development_neither(tmp_path, contacts):
    with at_home(tmp_path, contacts, **NO_ACTIVECAMPAIGN) as house:
        kanerva = visitor(house, ADDRESS)
        kanerva.subscribe()
        house.deliver()
        house.get(f"/confirm/{ADDRESS}")
        change(house, "UPDATE subject_key SET wrapped = x'00'")
        assert kanerva.subscribe().status == 500
        nobody_speaks_http(house)
        house.stop()
    assert "unexpected error" in house.said
    assert "\x1b" not in house.said, "a log that goes into a file holds no colours"
    assert_nothing_is_told(NOTHING_OF | {token(kanerva.link("confirm"))}, house.said)
