"""The rules of the house, read from the source: who imports whom, what is guarded, and how large things may get."""

import ast
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from consent_service.models_inbox import contact_message
from consent_service.service import Service
from consent_service.web import create_app
from tests.actors import Visitor
from tests.asker import Desk
from tests.household import CONTROLLER, settings
from tests.machine import Machine

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "consent_service"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)

# Each room with the rooms of ours it may import. Rooms stand in rows; a row sees only what stands above it, and the
# few steps sideways are written out.
ROOMS = {
    # leaves: no database, no network
    "colour": set(),
    "logo": set(),
    "controller": {"colour", "logo"},
    "config": {"controller", "logo"},
    "design": {"colour", "config"},
    "language": set(),
    "people": set(),
    "ids": set(),
    "paging": set(),
    "request_days": set(),
    "request_tasks": {"language"},
    "import_file": set(),
    "import_claims": {"import_file", "people"},
    "tokens": set(),
    "rate_limit": set(),
    "ledger.vault": set(),
    "ledger.seal": set(),
    "ledger.merkle": set(),
    "ledger.checkpoint": set(),
    "line_file": set(),
    "request_counts": {"config"},
    "encrypted_file": set(),
    "backup_file": set(),
    "ledger.anchors": {"ledger.checkpoint", "ledger.seal", "line_file"},
    "ledger.proof": {"ledger.checkpoint", "ledger.merkle", "ledger.seal"},
    "log": {"config"},
    "statements": {"controller", "language"},
    "privacy": {"controller", "language", "statements"},
    "cookie_notice": {"controller", "language", "statements"},
    "privacy_check": {"controller", "language", "privacy"},
    # tables
    "models": set(),
    "models_there": {"models"},
    "models_api": {"models"},
    "models_inbox": {"models"},
    "models_customers": {"models"},
    "models_site": {"models"},
    "models_requests": {"models"},
    "bell": set(),
    "writers": set(),
    "prepared": set(),
    "database": {"prepared", "writers"},
}
ROWS = [
    {"ledger.tiles"},
    {"ledger.evidence", "delivery.suppression", "delivery.allowance", "delivery.tally", "import_rows", "pulses"},
    {"api_keys", "api_answers"},
    {"delivery.outbox", "delivery.pacing", "delivery.caps", "ledger.sealer"},
    {"delivery.relaying", "contact_messages", "request_rows"},
    {"delivery.calls", "delivery.contacts", "delivery.batches", "delivery.lanes"},
    {"ledger.receipt", "ledger.replay", "ledger.key_changes", "delivery.tags"},
    {"ledger.findings"},
    {"ledger.audit_people"},
    {"ledger.audit"},
    {"delivery.own_link", "delivery.places"},
    {"delivery.account_setup"},
    {
        "delivery.mail",
        "delivery.activecampaign",
        "delivery.listing",
        "delivery.moves",
        "delivery.timestamps",
    },
    {"delivery.departures", "delivery.holdings", "delivery.strangers", "delivery.bulk", "delivery.owner_letters"},
    {"delivery.request_letters"},
    {"delivery.letters", "delivery.forwarding", "delivery.held_there"},
    {"import_account"},
    {"delivery.bulk_people", "delivery.renewal"},
    {"asks", "effort"},
    {"erasure", "corrections", "tracking"},
    {"register.customers", "register.erasure", "register.held"},
    {"cookie_choices"},
    {"subscriptions", "subscribers", "retention"},
    {"caution", "weeks"},
    {"restoration", "imports", "drift"},
    {"notes_file", "connection_state", "rotation"},
    {"gauges", "digest"},
    {"personal_data"},
    {"consent_record"},
    {"data_package"},
    {"request_acts"},
    {"data_requests", "handover"},
    {"service"},
    {"chores", "reconcile", "backups"},
    {"relay", "doctor", "restore"},
    {"web.visitor", "web.forms", "web.messages", "web.filled", "web.problems"},
    {"web.accounts", "web.pages", "web.health", "web.metrics", "web.rendered", "web.origins"},
    {"web.subscribing", "web.console.words"},
    {"web.api_messages"},
    {
        "web.public",
        "web.contact",
        "web.development",
        "web.evidence",
        "web.statement",
        "web.sheet",
        "web.webhooks",
        "web.openapi",
        "web.cookies",
        "web.embed",
    },
    {
        "web.my_data",
        "web.console.overview",
        "web.console.subscribers",
        "web.console.queue",
        "web.console.rights",
        "web.console.connection",
        "web.console.contact_messages",
        "web.api",
        "web.console.api_keys",
        "web.console.data_requests",
    },
    {"web.console.data_request_acts"},
    {"web.console"},
    {"web"},
    {"web.server"},
    {"terminal"},
    {"import_command", "reconcile_command", "digest_command", "audit_command", "backup_command", "rotate_command"},
    {"restore_command"},
    {"cli"},
]
WITH_FLASK = {"cli"} | {room for row in ROWS for room in row if room.startswith("web")}
OPEN_TO_ALL = {
    "root", "static", "pages.brand", "pages.icon", "pages.logo", "health.alive", "health.ready", "metrics.show",
    "api.describe",
    "security.login", "security.static", "webhooks.take_hint",
    "cookies.show", "cookies.show_choice", "cookies.erase", "cookies.show_banner", "cookies.take_choice",
    "statement.show", "statement.show_text", "embed.script", "embed.form",
    "development.mailbox", "development.mail", "development.mail_html",
    "development.site", "development.statistics", "development.video",
}  # fmt: skip
BEHIND_LOGIN_BY_FLASK_SECURITY = {"security.logout", "security.verify"}


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> set[str]:
    """The rooms of ours a file imports, inside functions too."""
    found, rooms = set(), {room_of(module) for module in MODULES}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("consent_service"):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("consent_service")]
        for name in names:
            inner = name.removeprefix("consent_service").lstrip(".")
            while inner and inner not in rooms:
                inner = inner.rpartition(".")[0]
            found |= {inner} if inner else set()
    return found


def allowed() -> dict[str, set[str]]:
    table, above = {room: set(may) for room, may in ROOMS.items()}, set(ROOMS)
    for row in ROWS:
        table |= {room: set(above) for room in row}
        above |= row
    return table


@pytest.mark.parametrize("path", MODULES, ids=room_of)
def test_imports_go_one_way(path):
    room = room_of(path)
    if path.read_text("utf-8").count("\n") <= 1:
        assert imports_of(path) == set()
        return
    assert room in allowed(), f"{room} stands in no row: give it a place in ROWS"
    assert imports_of(path) <= allowed()[room] | {room}


def test_nothing_outside_the_web_wing_reaches_into_it():
    outside = [path for path in MODULES if not room_of(path).startswith("web") and room_of(path) != "cli"]
    assert not {room for path in outside for room in imports_of(path) if room.startswith("web")}


def test_the_package_itself_is_empty():
    assert (PACKAGE / "__init__.py").read_text() == ""


def test_domain_rooms_leave_flask_unloaded():
    rooms = [f"consent_service.{room}" for room in allowed() if room not in WITH_FLASK]
    check = (
        "import sys, importlib; [importlib.import_module(name) for name in sys.argv[1:]]; print('flask' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", check, *rooms], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_only_config_reads_the_environment_and_only_tokens_uses_itsdangerous():
    for path in MODULES:
        source = path.read_text("utf-8")
        assert room_of(path) == "config" or not re.search(r"os\.environ|getenv|import environ", source), path
        assert room_of(path) == "tokens" or "itsdangerous" not in source, path


def test_only_the_database_room_knows_which_database_is_behind():
    for path in MODULES:
        code = path.read_text("utf-8")
        if room_of(path) in ("database", "models", "config"):
            continue  # models: two variants of two types; config: the default address
        assert "dialect" not in code or room_of(path) == "prepared", path  # which compiles for whichever it is
        assert not re.search("psycopg|sqlite|postgres", code) or room_of(path) != "prepared", path
        assert "psycopg" not in code, path


def test_use_cases_never_commit_and_never_read_a_clock():
    for room in (
        "asks",
        "effort",
        "corrections",
        "subscriptions",
        "tracking",
        "personal_data",
        "retention",
        "erasure",
        "restoration",
        "rotation",
        "imports",
        "import_rows",
        "import_claims",
        "api_keys",
        "api_answers",
        "ledger/evidence",
        "delivery/suppression",
        "delivery/allowance",
        "delivery/letters",
        "delivery/owner_letters",
        "contact_messages",
        "weeks",
        "digest",
        "delivery/held_there",
        "cookie_choices",
        "request_rows",
        "request_acts",
        "data_requests",
        "handover",
    ):
        source = (PACKAGE / f"{room}.py").read_text("utf-8")
        for forbidden in (".commit(", ".begin(", "datetime.now", "time.time()", "flask", "services.now"):
            assert forbidden not in source, (room, forbidden)


def test_every_staff_route_is_guarded_and_every_other_one_is_known(sqlite_house):
    http = sqlite_house.http
    for rule in sqlite_house.app.url_map.iter_rules():
        if rule.endpoint in OPEN_TO_ALL or rule.endpoint.startswith(("public.", "contact.", "my_data.", "evidence.")):
            continue
        if rule.endpoint.startswith("api."):
            continue  # test_every_address_of_the_api_wants_a_key
        staff_only = rule.endpoint.startswith("console.") or rule.endpoint in BEHIND_LOGIN_BY_FLASK_SECURITY
        assert staff_only, f"{rule.endpoint} is neither public nor guarded: decide"
        path = re.sub(r"<uuid:\w+>", "0" * 8 + "-0000" * 3 + "-" + "0" * 12, rule.rule)
        path = re.sub(r"<int[^>]*>", "1", path)
        for method in rule.methods - {"OPTIONS"}:
            answer = http.request(method, sqlite_house.url + path, allow_redirects=False, timeout=20)
            assert answer.status_code in (302, 400), (method, path, answer.status_code)
            assert "Mäkelä" not in answer.text


def test_every_address_of_the_api_wants_a_key(sqlite_house):
    rules = [rule for rule in sqlite_house.app.url_map.iter_rules() if rule.endpoint.startswith("api.")]
    guarded = [rule for rule in rules if rule.endpoint not in OPEN_TO_ALL]
    assert len(guarded) >= 4
    for rule in guarded:
        for method in rule.methods:
            answer = sqlite_house.http.request(method, sqlite_house.url + rule.rule, json={}, timeout=20)
            assert answer.status_code == 401, (method, rule.rule)


def test_no_get_changes_a_row(open_house, database_url):
    house = open_house(database_url, allowed_origins="https://www.keinuma.example")
    aino = Visitor(house).becomes_active()
    Visitor(house, "eero@example.com").subscribe()
    Visitor(house).write()
    [written] = house.rows(contact_message)
    house.deliver()
    tokens, person = house.service.tokens, house.person(aino.email)
    ask = house.asks("eero@example.com")[0]
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
    }
    desk = Desk(house)
    desk.take("access", email=aino.email)
    desk.verify("mailbox")
    for rule in house.app.url_map.iter_rules():
        if rule.rule.startswith("/staff/data-requests/<"):
            path = re.sub(r"<int[^>]*>", str(desk.number), rule.rule)
            places[rule.rule] = path.replace("<place>", "spreadsheet").replace("<kind>", "received")
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
    before, opened = house.everything(), 0
    for rule in house.app.url_map.iter_rules():
        path = places.get(rule.rule, rule.rule)
        if "GET" in rule.methods and "<" not in path:
            for method in ("GET", "HEAD", "OPTIONS"):
                answer = desk.heidi.http.request(method, house.url + path, headers=sent, timeout=20)
                assert answer.status_code not in (401, 403), f"{method} {path} was not opened"
                opened += 1
    assert opened > 30
    assert house.everything() == before


def test_sizes_stay_small():
    lengths, modules = [], {}
    for path in MODULES:
        source = path.read_text("utf-8")
        modules[path] = source.count("\n")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lengths.append((node.end_lineno - node.lineno + 1, f"{path.name}:{node.name}"))
    assert max(modules.values()) <= 400, max(modules, key=modules.get)
    assert max(lengths)[0] <= 40, max(lengths)
    numbers = sorted(length for length, _ in lengths)
    assert statistics.median(numbers) <= 9
    assert numbers[len(numbers) * 9 // 10] <= 25
    for path in (ROOT / "tests").rglob("*.py"):
        assert path.read_text("utf-8").count("\n") <= 400, f"{path} is too long: split it by story"


def test_nothing_happens_at_import():
    """No module opens a file, a socket or the environment while it is imported (wsgi.py is the exception)."""
    check = (
        "import sys, importlib\n"
        "seen = []\n"
        "sys.addaudithook(lambda name, args: seen.append((name, args)) if name in "
        "('socket.connect', 'subprocess.Popen', 'sqlite3.connect') else None)\n"
        "[importlib.import_module(name) for name in sys.argv[1:]]\n"
        "assert not seen, seen"
    )
    rooms = [f"consent_service.{room}" for room in allowed()]
    subprocess.run([sys.executable, "-c", check, *rooms], check=True, cwd=ROOT)


def test_the_application_is_made_without_touching_the_database(tmp_path):
    create_app(Service(settings(f"sqlite:///{tmp_path}/never.db"), CONTROLLER))
    assert not (tmp_path / "never.db").exists()


def test_templates_hold_no_inline_style_script_or_handler():
    for path in (ROOT / "templates").rglob("*.html"):
        source = path.read_text("utf-8")
        for forbidden in ("style=", "<style", "<script>", "javascript:", " onclick", " onload", "|safe"):
            assert forbidden not in source, (path.name, forbidden)
