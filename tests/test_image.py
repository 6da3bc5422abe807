"""The image: what it is built from is let through to its build."""

import fnmatch
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COPIES = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
LET_THROUGH = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").split() if line.startswith("!")]


@pytest.mark.parametrize("source", [source for copy in COPIES for source in copy.split()])
def test_what_the_image_copies_is_let_through(source):
    assert any(fnmatch.fnmatch(name, source) for name in LET_THROUGH), f"add !{source} to .dockerignore"


@pytest.mark.parametrize("file", ["Dockerfile", "compose.yaml"])
def test_health_is_asked_without_the_proxy_that_docker_may_hand_to_containers(file):
    [check] = [line for line in (ROOT / file).read_text("utf-8").splitlines() if "urllib.request" in line]
    assert ".build_opener(r.ProxyHandler({})).open(" in check
