"""The page that checks a proof: in a real browser, for a good file and for changed ones, without any connection."""

from pathlib import Path

import pytest

from consent_service.language import CODES, language
from consent_service.ledger import receipt
from tests.actors import Visitor

pytestmark = pytest.mark.browser
VECTORS = Path(__file__).parents[2] / "docs" / "vectors"


@pytest.fixture(scope="module")
def proof(standing_house):
    aino = Visitor(standing_house, "asa.oberg@example.com", "Åsa \U0001f33b", 'O"Brien\\').becomes_active()
    for number in range(9):
        Visitor(standing_house, f"p{number}@example.com").subscribe()
    standing_house.service.seal()
    with standing_house.service.reading() as connection:
        return receipt.compose(
            connection, standing_house.service.vault, standing_house.person(aino.email).basis_event_id
        )


@pytest.fixture
def checked(visit, tab, standing_house):
    """What the page says about a file, and every request it made."""
    guest = visit(tab, standing_house, "en")
    guest.open("/verify")

    def check(content, key=None, code=None):
        if code is not None:
            visit(tab, standing_house, code).open("/verify")
        if key is not None:
            tab.locator("#check summary").click()
            tab.locator("#key").fill(key)
        tab.evaluate("document.querySelectorAll('#result > div').forEach(one => { one.hidden = true; })")
        tab.locator("#file").set_input_files({"name": "a.tlog-proof", "mimeType": "text/plain", "buffer": content})
        tab.locator("#result > div:not([hidden])").wait_for()
        return tab.locator("#result > div:not([hidden])").get_attribute("id"), guest

    return check


def test_a_genuine_proof_is_shown_with_its_words(checked, proof, tab, standing_house):
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    found, guest = checked(proof)
    assert found == "good"
    words = tab.locator("#good").inner_text()
    assert "asa.oberg@example.com" in words
    assert 'O"Brien\\' in words
    assert "Confirmed the subscription from the link in the e-mail" in words
    assert "Keinuman uutiskirje" in words
    for width in (320, 1280):
        guest.look(width, "light")
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"nothing sticks out at {width} px"
    assert [url for url in asked if not url.endswith("/icon.svg")] == [], "nothing is sent anywhere"
    assert guest.complaints == []


@pytest.mark.parametrize("place", ["start", "root"])  # the other parts are changed in the published vectors
def test_a_changed_proof_does_not_hold(checked, proof, place):
    lines = proof.split(b"\n")
    number = {"start": 0, "root": -4}[place]
    line = bytearray(lines[number])
    line[len(line) // 2] ^= 1
    lines[number] = bytes(line)
    assert checked(b"\n".join(lines))[0] == "bad"


@pytest.mark.parametrize("code", CODES)
def test_the_time_is_written_as_on_every_other_page(checked, proof, tab, standing_house, code):
    assert checked(proof, code=code)[0] == "good"
    since = standing_house.person("asa.oberg@example.com").active_since
    assert tab.locator("#facts dd").first.inner_text() == language(code).moment(since)


def test_the_reason_says_that_it_is_in_english(checked, tab):
    assert checked(b"c2sp.org/tlog-proof@v1\n", code="fi")[0] == "bad"
    assert tab.locator("#reason[lang=en]").inner_text() == "a part of the receipt is missing"


@pytest.mark.parametrize("content", [b"nothing", b"%PDF-1.7\n\xff\xfe", b""])
def test_another_file_is_told_from_a_changed_proof(checked, content):
    assert checked(content)[0] == "none"


def test_another_key_does_not_open_it(checked, proof, standing_house):
    assert checked(proof, f"x{standing_house.service.signer.verifier}")[0] == "bad"


def test_it_agrees_with_the_published_vectors(checked, tab):
    key = (VECTORS / "key.txt").read_text("utf-8").strip()
    tab.locator("#check summary").click()
    tab.locator("#key").fill(key)
    said = {file.stem: checked(file.read_bytes())[0] for file in sorted(VECTORS.glob("*.tlog-proof"))}
    assert len(said) == 30
    assert said == {name: name.partition("-")[0] for name in said}
