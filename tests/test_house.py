"""The rules of the house, read from the source: who imports whom, what stands nowhere, and how large things may get."""

import ast
import os
import re
import statistics
import subprocess
import sys
from functools import cache
from pathlib import Path

from jinja2 import Environment, meta

from consent_service.service import Service
from consent_service.web import create_app
from tests.household import CONTROLLER, settings
from tests.rooms import WITH_FLASK, allowed

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "consent_service"
WRITTEN = {".css", ".html", ".js", ".json", ".md", ".po", ".py", ".svg", ".toml", ".txt"}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)


@cache
def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
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


def test_imports_go_one_way():
    table, astray = allowed(), {}
    for path in MODULES:
        room = room_of(path)
        is_empty = path.read_text("utf-8").count("\n") <= 1
        assert is_empty or room in table, f"{room} stands in no row: give it a place in ROWS"
        if wrong := imports_of(path) - (set() if is_empty else table[room] | {room}):
            astray[room] = wrong
    assert astray == {}, "what these import stands beside or below them"


def test_nothing_outside_the_web_wing_reaches_into_it():
    outside = [path for path in MODULES if not room_of(path).startswith("web") and room_of(path) != "cli"]
    assert not {room for path in outside for room in imports_of(path) if room.startswith("web")}


def test_the_package_itself_is_empty():
    assert (PACKAGE / "__init__.py").read_text() == ""


def test_only_config_reads_the_environment_and_only_tokens_uses_itsdangerous():
    for path in MODULES:
        source = path.read_text("utf-8")
        assert room_of(path) == "config" or not re.search(r"os\.environ|getenv|import environ", source), path
        assert room_of(path) == "tokens" or "itsdangerous" not in source, path


def test_only_the_database_room_knows_which_database_is_behind():
    for path in MODULES:
        code, room = path.read_text("utf-8"), room_of(path)
        if room in ("database", "models.columns", "config"):
            continue  # models: two variants of two types, and indexes of some rows; config: the default address
        assert not re.search("psycopg|sqlite|postgres", code), path
        assert "dialect" not in code or room in ("sql.pool", "sql.prepared"), path  # which ask, and compile for, any


RUNS_BY_ITSELF = {"chores", "relay", "comparison.reconcile", "register.importing"}
KNOWS_THE_TIME = {
    "service",
    "tokens",
    "limits.rate_limit",
    "activecampaign.pacing",
    "watch.doctor",
    "backup.backups",
    "backup.restore",
}


def test_use_cases_never_commit_and_never_read_a_clock():
    for path in MODULES:
        room = room_of(path)
        is_door = room == "cli" or room.partition(".")[0] in ("commands", "web")
        if not is_door and room not in RUNS_BY_ITSELF | KNOWS_THE_TIME | {"database"}:
            for forbidden in (".commit(", ".begin(", "datetime.now", "time.time()", "flask", "services.now"):
                assert forbidden not in path.read_text("utf-8"), (room, forbidden)


def test_every_room_says_what_it_is_for_in_three_lines_or_more():
    for path in MODULES:
        tree = ast.parse(path.read_text("utf-8"))
        if path.name != "__init__.py" or len(tree.body) > 1:
            assert (ast.get_docstring(tree) or "").count("\n") >= 2, path


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


IMPORTING = """
import importlib, os, sys
package, *rooms = sys.argv[1:]
here, seen = os.getcwd(), []

def hear(name, args):
    if name in ("socket.connect", "subprocess.Popen", "sqlite3.connect"):
        seen.append((name, args))
    if name == "open" and isinstance(args[0], str) and not args[0].endswith((".py", ".pyc")):
        if os.path.abspath(args[0]).startswith((package + os.sep, here + os.sep)):
            seen.append((name, args))

sys.addaudithook(hear)
for room in rooms:
    if room == "now with Flask":
        assert "flask" not in sys.modules, "a room of the domain loads it"
    else:
        importlib.import_module(f"consent_service.{room}")
assert seen == [], seen
"""


def test_nothing_happens_at_import_and_domain_rooms_leave_flask_unloaded(tmp_path):
    """None opens a file of ours or a database, connects or starts a program while it is imported (wsgi.py may)."""
    domain = [room for room in allowed() if room not in WITH_FLASK]
    rooms = [*domain, "now with Flask", *sorted(WITH_FLASK & set(allowed()))]
    command = [sys.executable, "-B", "-c", IMPORTING, str(PACKAGE), *rooms]
    found = subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE)
    assert found.returncode == 0, found.stderr.decode()


def test_the_application_is_made_without_touching_the_database(tmp_path):
    create_app(Service(settings(f"sqlite:///{tmp_path}/never.db"), CONTROLLER))
    assert not (tmp_path / "never.db").exists()


def test_no_two_versions_of_a_line_were_left_side_by_side():
    """The marks by which two versions are merged by hand are in no file of ours."""
    folders = ("bench", "consent_service", "docs", "templates", "tests")
    written = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in WRITTEN]
    assert len(written) > 300
    for path in [*written, *(path for path in ROOT.iterdir() if path.is_file())]:
        marks = re.findall(r"^(?:<{7}|={7}|>{7})(?: .*)?$", path.read_text("utf-8"), re.MULTILINE)
        assert marks == [], path


def test_templates_name_what_they_are_given(tmp_path):
    """Also through what they extend, include and import; what is worked out and shown nowhere is work for nothing."""
    env = create_app(Service(settings(f"sqlite:///{tmp_path}/never.db"), CONTROLLER)).jinja_env
    given = [
        (node.args[0].value, word.arg, path.name)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and node.args and str(getattr(node.args[0], "value", "")).endswith(".html")
        for word in node.keywords
        if word.arg
    ]
    assert len(given) > 200
    for template, word, file in given:
        assert word in _names(env, template), f"{file} gives {word} to {template}"


@cache
def _names(env: Environment, template: str) -> set[str]:
    """What a template takes from outside, itself or through another."""
    tree = env.parse((ROOT / "templates" / template).read_text("utf-8"))
    return meta.find_undeclared_variables(tree).union(
        *(_names(env, other) for other in meta.find_referenced_templates(tree) if other)
    )


def test_templates_hold_no_inline_style_script_or_handler():
    for path in (ROOT / "templates").rglob("*.html"):
        source = path.read_text("utf-8")
        for forbidden in ("style=", "<style", "<script>", "javascript:", " onclick", " onload", "|safe"):
            assert forbidden not in source, (path.name, forbidden)
