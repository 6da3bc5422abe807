"""Every page by the Nu HTML checker of the W3C, the very bytes that the browser got, in three languages."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Response

from consent_service.language import CODES
from tests.browser.demo_page import DEMO
from tests.browser.guest import Guest
from tests.browser.places import Place
from tests.browser.test_every_page import OPEN, STAFF
from tests.post import written

CHECKER = os.environ.get("VNU_JAR", "")
NO_CHECKER = "Java or the Nu HTML checker is missing (VNU_JAR=…/vnu.jar): NO page's HTML was checked"
IS_THERE = bool(CHECKER) and shutil.which("java") is not None

pytestmark = [pytest.mark.browser, pytest.mark.soak, pytest.mark.skipif(not IS_THERE, reason=NO_CHECKER)]


@pytest.mark.parametrize("code", CODES)
def test_every_page_is_valid_html(visit, tab, houses, tmp_path, code):
    for place in OPEN + DEMO + STAFF:
        guest = visit(tab, houses[place.house], code)
        (tmp_path / f"{place.name}.html").write_bytes(source(guest, place))
    assert faults(tmp_path) == []


@pytest.mark.parametrize("code", CODES)
def test_every_letter_is_valid_html(tmp_path, code):
    with written(tmp_path, code) as post:
        for kind, letter in post.letters.items():
            (tmp_path / f"{kind}.html").write_text(letter.html, "utf-8")
    assert faults(tmp_path) == []


def source(guest: Guest, place: Place) -> bytes:
    """The bytes of the page that a place is, as they came."""
    pages = []

    def keep(answer: Response) -> None:
        if answer.request.is_navigation_request() and not 300 <= answer.status < 400:
            pages.append(answer)

    guest.tab.on("response", keep)
    place.go(guest)
    guest.tab.remove_listener("response", keep)
    return pages[-1].body()


def faults(folder: Path) -> list[str]:
    """Everything the checker complains of in the pages of a folder."""
    files = sorted(folder.glob("*.html"))
    # No guess at the language: names and words of tests are of none.
    asked = ["java", "-jar", CHECKER, "--format", "json", "--exit-zero-always", "--no-langdetect", *files]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stderr
    return [
        f"{Path(one['url']).name}: {one['message']} {one.get('extract', '')}" for one in json.loads(told)["messages"]
    ]
