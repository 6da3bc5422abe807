"""What the documents say is so: named tests exist, every setting and command is told, links lead somewhere."""

import re
from pathlib import Path

import pytest

from consent_service.cli import cli
from consent_service.config import Settings

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
        short = variable.removeprefix("CONSENT").removeprefix("_ACTIVECAMPAIGN")
        assert f"`{variable}`" in text or f"`{short}`" in text, variable


def test_the_changelog_tells_every_command():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert not [name for name in cli.commands if f"`{name}" not in text]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text("utf-8")):
        assert (document.parent / target).exists(), target
