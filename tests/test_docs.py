"""What the documents say is so: what they name exists, what must be told is told, links lead somewhere."""

import base64
import importlib
import json
import os
import re
import subprocess
from pathlib import Path
from uuid import uuid4

import click
import pytest

from bench.table import table
from consent_service.cli import cli
from consent_service.config import EXAMPLE_CONTROLLER, Settings, load
from consent_service.web import files
from tests.rooms import allowed
from tests.test_house import MODULES

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
ARCHITECTURE = "docs/architecture.md"


def part(document, title):
    """The part of a document under a title, with what stands under lesser ones."""
    text = (ROOT / document).read_text("utf-8")
    heading = re.search(rf"^(##+) {title}$", text, re.MULTILINE)
    return re.split(rf"^#{{2,{len(heading[1])}}} ", text[heading.end() :], maxsplit=1, flags=re.MULTILINE)[0]


def rows(text):
    """The cells of every row of the tables in a text."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_every_test_named_in_promises_and_security_exists():
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", (ROOT / "docs/promises.md").read_text("utf-8")))
    threats = rows((ROOT / "docs/security.md").read_text("utf-8"))
    named |= {f"tests/{name}.py" for row in threats for name in re.findall(r"`((?:\w+/)?test_\w+)`", row[-1])}
    assert len(named) > 20
    assert not [name for name in named if not (ROOT / name).exists()]


def test_every_promise_has_a_row_and_a_test():
    _, *told = rows((ROOT / "docs/promises.md").read_text("utf-8"))
    numbers = [*(f"N{n}" for n in range(1, 11)), *(f"C{n}" for n in range(1, 12)), *(f"L{n}" for n in range(1, 6))]
    assert [number for number, *_ in told] == [*numbers, "K1, K2"]
    assert not [number for number, _, tests in told if "`tests/" not in tests]


def test_every_threat_has_a_test_or_says_why_not():
    _, *told = rows((ROOT / "docs/security.md").read_text("utf-8"))
    assert not [threat for threat, _, test in told if "test_" not in test and not test.startswith("none: ")]


def test_the_rooms_are_those_of_the_house():
    named = []
    for heading, told in re.findall(
        r"^### `(.*?)/`$(.*?)(?=^#|\Z)", part(ARCHITECTURE, "Rooms"), re.DOTALL | re.MULTILINE
    ):
        wing = "" if heading == "consent_service" else f"{heading.replace('/', '.')}."
        rooms = [name for cell, _ in rows(told) for name in re.findall(r"`(\w+)`", cell)]
        named += [f"{wing}{room}".removesuffix(".__init__") for room in rooms]
    assert sorted(named) == sorted(allowed())


def test_what_the_flows_walk_through_is_there():
    told = rows(part(ARCHITECTURE, "Where each flow walks"))
    flows = " · ".join(flow for flow, _ in told)
    for flow in ("seal", "receipt", "verify", "audit", "purge", "erase", "restore", "export", "my data", "privacy"):
        assert flow in flows, flow
    steps = [step for _, path in told for step in re.findall(r"`([a-z][\w/]*\.[\w.]+)`", path)]
    assert len(steps) > 100
    assert not [step for step in steps if not is_there(step)]


def test_every_wing_is_on_the_map():
    _, *told = rows(part(ARCHITECTURE, "Wings"))
    wings = {path.name for path in (ROOT / "consent_service").iterdir() if (path / "__init__.py").exists()}
    assert {name for cell, _ in told for name in re.findall(r"`(\w+)/`", cell)} == wings | {"migrations"}


def is_there(step):
    """Whether a step names something that is in a room."""
    room, *names = step.split(".")
    inside = room.replace("/", ".")
    found = importlib.import_module(f"consent_service.{inside}") if inside in allowed() else None
    for name in names:
        found = getattr(found, name, None)
    return found is not None


def test_what_must_be_kept_safe_is_named():
    safe = part("docs/operations.md", "Keep these safe")
    keys = [name for name in Settings.model_fields if name.endswith(("_key", "_keys"))]
    assert len(keys) >= 3
    files = {file for path in MODULES for file in re.findall(r'"([\w-]+\.jsonl)"', path.read_text("utf-8"))}
    assert len(files) >= 2
    for name in (*(f"`CONSENT_{key.upper()}`" for key in keys), *(f"`var/{file}`" for file in files)):
        assert name in safe, name


def test_the_readme_tells_every_setting():
    text = (ROOT / "README.md").read_text("utf-8")
    for name in Settings.model_fields:
        variable = name.upper() if name in ("host", "port") else f"CONSENT_{name.upper()}"
        assert f"`{variable}`" in text, variable


def test_the_settings_file_of_the_walk_through_means_the_same_to_a_shell_and_to_systemd(tmp_path, monkeypatch):
    walk_through = (ROOT / "docs/operations.md").read_text("utf-8")
    lines = re.search(r"```\n( +CONSENT_MODE=.*?)```", walk_through, re.DOTALL)[1].split("\n")
    file = tmp_path / "consent-service.env"
    key = base64.b64encode(bytes(32)).decode()
    file.write_text("\n".join(line.strip().replace("…", key) for line in lines) + "\n")
    asked = ["sh", "-c", 'set -a; . "$0"; set +a; env', str(file)]
    answer = subprocess.run(asked, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True)
    assert answer.stderr == ""
    to_a_shell = dict(line.split("=", 1) for line in answer.stdout.splitlines() if line.startswith("CONSENT_"))
    to_systemd = {}
    for line in filter(None, file.read_text().splitlines()):
        if not line.startswith("#"):  # systemd.exec(5): a # elsewhere belongs to the value; quotes around it do not
            name, value = line.split("=", 1)
            assert re.fullmatch(r"'[^'\\]*'", value), "in nothing else do both mean it to the letter"
            to_systemd[name] = value[1:-1]
    assert to_a_shell == to_systemd
    for name, value in to_a_shell.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CONSENT_CONTROLLER_FILE", str(EXAMPLE_CONTROLLER))
    settings, _ = load()
    assert (settings.mode, settings.mail_from) == ("production", "Example <uutiskirje@example.fi>")


def test_the_changelog_tells_every_command():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert not [name for name in cli.commands if f"`{name}" not in text]


def test_the_readme_has_a_line_for_every_command():
    commands = []
    for name, command in cli.commands.items():
        inner = command.commands if isinstance(command, click.Group) else {}
        commands += [f"{name} {one}" for one in inner] or [name]
    _, *told = rows(part("README.md", "Commands"))
    named = [re.match(r"`((?:staff |subscriber |import )?[a-z-]+)", command)[1] for command, _ in told]
    assert sorted(named) == sorted(commands)


def test_the_figures_on_the_performance_page_are_those_of_the_kept_run():
    kept, page = ((ROOT / f"docs/performance.{ending}").read_text("utf-8") for ending in ("json", "md"))
    assert table(json.loads(kept)) in page


def test_the_readme_shows_every_picture_and_says_what_is_on_it():
    text = (ROOT / "README.md").read_text("utf-8")
    shown = re.findall(r'<img src="([^"]+)" alt="[^"]{60,}">', text) + re.findall(r'srcset="([^"]+)"', text)
    assert sorted(shown) == sorted(str(file.relative_to(ROOT)) for file in (ROOT / "docs/pictures").iterdir())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text("utf-8")):
        assert (document.parent / target).exists(), target


def test_the_proxies_let_through_what_the_doors_take(sqlite_house):
    told = re.findall(r"(?:path_regexp|location ~) (\S+)", (ROOT / "docs/operations.md").read_text("utf-8"))
    assert len(told) == 2, "Caddy and nginx"
    for endpoint in files.LARGEST_BODIES:
        [rule] = [rule for rule in sqlite_house.app.url_map.iter_rules(endpoint) if "POST" in rule.methods]
        path = re.sub(r"<[^>]+>", str(uuid4()), rule.rule)
        assert [pattern for pattern in told if not re.search(pattern, path)] == [], path


def test_no_limit_of_forms_stands_before_the_doors_for_files():
    told = part("docs/operations.md", "The proxy in front")
    caddy = re.search(r"^tilaus\.example\.fi {\n(.*?)^}", told, re.DOTALL | re.MULTILINE)[1]
    for_every_path = re.findall(r"^\t(\w+)", caddy, re.MULTILINE)
    assert set(for_every_path) == {"handle"}, "what stands beside them is done to what they take, too"


def test_what_a_proxy_notes_when_something_fails_holds_no_paths():
    told = part("docs/operations.md", "The proxy in front")
    assert re.search(r"\tlog {\n.*?\t\trequest delete\n", told, re.DOTALL), "Caddy"
    assert re.search(r"access_log off;\n +error_log \S+ crit;\n", told), "nginx names a request up to the level error"
