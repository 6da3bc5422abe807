"""A real browser: one for each test process, found on this machine and never downloaded."""

import os
import shutil
from contextlib import ExitStack
from functools import cache

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.guest import Guest
from tests.browser.houses import Houses
from tests.browser.street import Passing, Street
from tests.post import written

NAMES = ("chromium-headless-shell", "chromium", "google-chrome")  # the first opens a page in half the time
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
NO_CHROMIUM = "Chromium is not installed (apt install chromium-headless-shell): NO page was opened in a browser"
QUIETLY = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP *.yritys.example 127.0.0.1, MAP *.seuranta.example 127.0.0.1",
]


@pytest.fixture(scope="session")
def browser():
    """Chromium; without it these tests are skipped, except where everything has to be tested."""
    if CHROMIUM is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(NO_CHROMIUM)
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIETLY)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def houses(tmp_path_factory):
    """The households that the pages are looked at in."""
    with Houses(tmp_path_factory.mktemp("houses")) as found:
        yield found


@pytest.fixture(scope="session")
def posts(tmp_path_factory):
    """Every mail in a language: `posts("fi")`, written when it is first asked for."""
    with ExitStack() as stack:
        yield cache(lambda code: stack.enter_context(written(tmp_path_factory.mktemp("post"), code)))


@pytest.fixture(scope="session")
def tab(browser):
    """A tab as most people have it."""
    return _tab(browser, java_script_enabled=True)


@pytest.fixture(scope="session")
def tab_without_scripts(browser):
    """A tab that runs no script."""
    return _tab(browser, java_script_enabled=False)


@pytest.fixture
def visit(monkeypatch, houses):
    """Come to a household as a guest: `visit(tab, houses["empty"], "fi")`."""
    monkeypatch.chdir(houses.folder)  # the mailbox of the development mode lies in the working folder
    with ExitStack() as stack:
        yield lambda tab, house, code: stack.enter_context(Guest(tab, house, code))


@pytest.fixture(scope="session")
def street(tmp_path_factory):
    """The company's web site with its trackers."""
    with Street(tmp_path_factory.mktemp("street")) as found:
        yield found


@pytest.fixture
def pass_by(browser, street):
    """Come by the company's web site as somebody new: `pass_by("fi")`."""
    passing = []

    def come(code="fi", **how):
        passing.append(Passing(browser, street, code, **how))
        return passing[-1]

    yield come
    for one in passing:
        one.leave()


def _tab(browser, **how):
    context = browser.new_context(**how)
    context.set_default_timeout(30_000)  # a machine full of tests may take its time
    return context.new_page()
