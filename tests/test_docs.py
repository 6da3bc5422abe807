"""What the documents say is so: named tests exist, every setting and command is told, links lead somewhere."""

import base64
import os
import re
import subprocess
from pathlib import Path

import pytest

from consent_service.cli import cli
from consent_service.config import EXAMPLE_CONTROLLER, Settings, load

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_test_named_in_promises_and_security_exists():
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", (ROOT / "docs/promises.md").read_text("utf-8")))
    rows = [line for line in (ROOT / "docs/security.md").read_text("utf-8").splitlines() if line.startswith("|")]
    named |= {f"tests/{name}.py" for row in rows for name in re.findall(r"`((?:flows/)?test_\w+)`", row)}
    assert len(named) > 20
    assert not [name for name in named if not (ROOT / name).exists()]


def test_every_promise_has_a_row():
    text = (ROOT / "docs/promises.md").read_text("utf-8")
    for number in [*(f"N{n}" for n in range(1, 11)), "C1–C11", "L1", "L2", "L3", "L4", "L5", "K1, K2"]:
        assert f"| {number} |" in text, number


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
            to_systemd[name] = re.sub(r'^"(.*)"$', r"\1", value)
    assert to_a_shell == to_systemd
    for name, value in to_a_shell.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CONSENT_CONTROLLER_FILE", str(EXAMPLE_CONTROLLER))
    settings, _ = load()
    assert (settings.mode, settings.mail_from) == ("production", "Example <uutiskirje@example.fi>")


def test_the_changelog_tells_every_command():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert not [name for name in cli.commands if f"`{name}" not in text]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text("utf-8")):
        assert (document.parent / target).exists(), target
