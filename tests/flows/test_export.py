"""Everything in one file: what is in it, that its checksums and receipts hold, and that it is only the person's own."""

import base64
import csv
import io
import json
import re
import zipfile
from hashlib import sha256

import pytest

from consent_service.language import language
from consent_service.ledger import proof
from consent_service.ledger.checkpoint import Verifier
from tests import small_disk
from tests.actors import Staff, Visitor, fi
from tests.conftest import on_both_databases
from tests.processes import run, variables
from tests.tampering import change, findings, of

FORMULA = '=HYPERLINK("https://spam.example")'


PIECES = "x;=cmd|'/c calc'!A1;y, +1; -2"


@pytest.fixture
def aino(house):
    return Visitor(house, last=FORMULA).becomes_active()


def download(person):
    person.my_data()
    answer = person.house.get(person.link("my-data").replace("?", "/download?")).answer
    assert answer.status_code == 200
    return answer


def opened(answer):
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.testzip() is None
        return {entry: packed.read(entry) for entry in packed.namelist()}


def rows(content):
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_the_file_holds_everything_and_its_checksums_hold(house, aino):
    house.service.seal()
    answer = download(aino)
    assert answer.headers["Content-Type"] == "application/zip"
    assert re.fullmatch(r'attachment; filename="tiedot-\d{4}-\d\d-\d\d\.zip"', answer.headers["Content-Disposition"])
    assert answer.headers["Cache-Control"] == "no-store"
    files = opened(answer)
    assert all(name.isascii() for name in files)
    sums = dict(reversed(line.split("  ")) for line in files["SHA256SUMS"].decode().splitlines())
    assert sums == {name: sha256(content).hexdigest() for name, content in files.items() if name != "SHA256SUMS"}
    told = json.loads(files["tiedot.json"])
    assert told["person"]["email"] == aino.email
    assert [event["core"]["kind"] for event in told["events"]] == house.kinds(aino.email)
    assert {message["kind"] for message in told["messages"]} >= {"confirmation", "welcome", "sync", "my_data_link"}
    assert {"henkilo.csv", "pyynnot.csv", "tapahtumat.csv", "viestit.csv", "tekstit.csv"} < set(files)
    assert json.loads(files["consent-record.jsonld"])["@type"] == "dpv:ConsentRecord"


def test_every_sealed_event_has_a_receipt_that_is_checked_with_the_key_beside_it(house, aino):
    house.service.seal()
    files = opened(download(aino))
    verifier = Verifier.read(files["receipts/log-key.txt"].decode().strip())
    found = {}
    for name, content in files.items():
        if name.endswith(".tlog-proof"):
            receipt = proof.check(content, verifier)
            found[receipt.id] = receipt
    assert list(found) == [event.id for event in house.story(aino.email)]
    for receipt in found.values():
        for digest, text in receipt.texts.items():
            assert files[f"texts/{digest}.txt"].decode() == text


def test_what_is_not_sealed_yet_has_no_receipt_and_is_all_the_same_told(house, aino):
    files = opened(download(aino))
    assert [name for name in files if name.endswith(".tlog-proof")] == []
    told = json.loads(files["tiedot.json"])["events"]
    assert [event["log_index"] for event in told] == [None] * len(told)
    assert fi("not sealed yet; that takes about a minute") in files["tiedot.html"].decode()


def test_every_text_that_was_shown_is_there_byte_for_byte(house, aino):
    files = opened(download(aino))
    named = {digest for event in house.story(aino.email) for digest in (event.core.get("texts") or {}).values()}
    texts = {
        name.removeprefix("texts/").removesuffix(".txt"): content for name, content in files.items() if "texts/" in name
    }
    assert set(texts) == named
    assert all(sha256(content).hexdigest() == digest for digest, content in texts.items())
    assert house.service.consent_text(language("fi")).sentence.encode() in b"".join(texts.values())


def test_no_spreadsheet_takes_a_name_for_a_formula(house, aino):
    files = opened(download(aino))
    [person] = rows(files["henkilo.csv"])
    assert person["last_name"] == f"'{FORMULA}"
    for name, content in files.items():
        if name.endswith(".csv"):
            assert content.startswith(b"\xef\xbb\xbf"), "or spreadsheets take it for another alphabet"
            assert not [cell for row in rows(content) for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    assert json.loads(files["tiedot.json"])["person"]["last_name"] == FORMULA, "other programs get the name as it is"


@pytest.mark.parametrize("separator", [",", ";"])
def test_no_spreadsheet_finds_a_formula_in_the_middle_of_a_name_either(house, separator):
    eero = Visitor(house, "eero@example.com", last=PIECES).becomes_active()
    files = opened(download(eero))
    for name in (name for name in files if name.endswith(".csv")):
        lines = csv.reader(io.StringIO(files[name].decode("utf-8-sig"), newline=""), delimiter=separator)
        assert not [cell for line in lines for cell in line if cell.lstrip().startswith(("=", "+", "-", "@"))], name
    assert all(line.startswith(b'"') for line in files["henkilo.csv"].removeprefix(b"\xef\xbb\xbf").splitlines())


@on_both_databases
def test_the_readable_file_needs_nothing_but_itself(house, aino):
    house.service.seal()
    page = opened(download(aino))["tiedot.html"].decode()
    for told in (
        fi("What we hold about you"),
        fi("Why we hold it"),
        fi("Who gets it"),
        fi("How long it is kept"),
        fi("Your rights"),
        "tietosuoja.fi",
        "ActiveCampaign, LLC",
        house.service.consent_text(language("fi")).sentence,
        fi("The event, its words and its place in the log were checked again for this sheet: they agree."),
    ):
        assert told in page, told
    assert "&#34;https://spam.example&#34;" in page, "a name is text, never markup"
    assert not re.search(r"<(script|link|img|iframe)|url\(|@import|src=", page)


def test_a_person_reads_it_in_their_own_language(house):
    person = Visitor(house, "sven@example.com")
    form = person.open_form("sv")
    sv = language("sv").say
    form.press(sv("Subscribe"), first_name="Sven", last_name="Ek", email=person.email, consent="yes")
    house.deliver()
    house.get(person.link("confirm")).press(sv("Confirm the subscription"))
    house.deliver()
    assert sv("What we hold about you") in opened(download(person))["tiedot.html"].decode()


def test_downloading_changes_nothing_and_twice_gives_the_same(house, aino):
    aino.my_data()
    before = house.everything()
    link = aino.link("my-data").replace("?", "/download?")
    files = [opened(house.get(link).answer) for _ in range(2)]
    assert house.http.head(link, timeout=20).status_code == 200
    assert house.everything() == before
    assert set(files[0]) == set(files[1])
    assert files[0]["tapahtumat.csv"] == files[1]["tapahtumat.csv"]


def test_nobody_elses_data_is_in_it(house, aino):
    heidi, eero = Staff(house), Visitor(house, "eero@example.com", "Eero", "Niemi").becomes_active()
    heidi.log_in()
    content = b"".join(opened(download(aino)).values())
    for told in (eero.email, "Niemi", heidi.email):
        assert told.encode() not in content


def test_the_command_line_makes_the_same_file_and_overwrites_none(house, aino, tmp_path):
    house.service.seal()
    given = variables(house.settings)
    done = run(tmp_path, "export", aino.email.upper(), "--to", "aino.zip", given=given)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "aino.zip").stat().st_mode & 0o077 == 0, "nobody else on the machine may read it"
    with zipfile.ZipFile(tmp_path / "aino.zip") as packed:
        told = json.loads(packed.read("tiedot.json"))
        assert {"tiedot.html", "SHA256SUMS", "consent-record.jsonld"} < set(packed.namelist())
    assert [event["core"]["kind"] for event in told["events"]] == house.kinds(aino.email)
    for words, why in (
        ((aino.email, "--to", "aino.zip"), "aino.zip: File exists"),
        (("nobody@example.com", "--to", "nobody.zip"), "Nothing is held about this address."),
        (("x@", "--to", "x.zip"), "Write one e-mail address in the form name@example.com."),
        ((aino.email, "--to", "nowhere/aino.zip"), "nowhere/aino.zip: No such file or directory"),
    ):
        done = run(tmp_path, "export", *words, given=given)
        assert (done.returncode, done.stderr) == (1, f"{why}\n")
    assert {file.name for file in tmp_path.glob("*.zip")} == {"aino.zip"}


def test_on_a_full_disk_the_command_line_leaves_no_half_of_it(house, aino, tmp_path):
    with small_disk.mounted(tmp_path / "disk", "16k") as disk:
        if disk is None:
            pytest.skip(small_disk.NO_DISK)
        done = run(tmp_path, "export", aino.email, "--to", "disk/aino.zip", given=variables(house.settings))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "disk/aino.zip: No space left on device\n"
        assert not [*disk.iterdir()]


def test_the_command_line_says_what_to_do_about_a_key_that_is_not_there(house, aino, tmp_path):
    other = base64.b64encode(b"another data key of 32 bytes ok!").decode()
    given = variables(house.settings) | {"CONSENT_DATA_KEYS": other}
    done = run(tmp_path, "export", aino.email, "--to", "her.zip", given=given)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "the data key of this person is not in CONSENT_DATA_KEYS; run: consent-service doctor, then: "
        "consent-service audit\n"
    )


# The evidence sheet


def sheet(person):
    person.my_data()
    return person.house.get(person.link("my-data").replace("?", "/evidence?"))


def test_the_sheet_tells_every_event_with_its_times_words_and_place(house, aino):
    house.service.seal()
    page = sheet(aino)
    assert page.status == 200
    for event in house.story(aino.email):
        assert event.id in page.html
        assert event.leaf_hash.hex() in page.html
        assert str(event.core["at"]) in page.html
        assert language("fi").moment(event.at) in page.words
        for digest in (event.core.get("texts") or {}).values():
            assert digest in page.html
    assert str(house.service.signer.verifier) in page.html
    assert fi("DOES NOT AGREE with the log. Run: consent-service audit") not in page.words
    agree = fi("The event, its words and its place in the log were checked again for this sheet: they agree.")
    assert page.words.count(agree) == len(house.story(aino.email))


def test_a_place_has_the_same_number_on_the_sheet_from_verify_and_in_the_audit(house, aino, tmp_path):
    house.service.seal()
    [event, *_], size = house.story(aino.email), house.count()
    (tmp_path / "proof").write_bytes(opened(download(aino))[f"receipts/{event.id}.tlog-proof"])
    assert b"\nindex 0\n" in (tmp_path / "proof").read_bytes(), "of a receipt nothing may change"
    told = run(tmp_path, "verify", "proof", "--key", str(house.service.signer.verifier)).stdout
    assert f"Event {event.id}, place 1 of {size} in the log" in told
    assert f"{fi('Place in the log')} 1 " in sheet(aino).words
    change(house, of(event).values(leaf_hash=bytes(32)))
    assert {finding.place for finding in findings(house) if finding.event == event.id} == {1}


def test_staff_and_the_person_see_the_same_sheet(house, aino):
    heidi = Staff(house)
    heidi.log_in()
    house.service.seal()
    own = sheet(aino)
    place = f"/staff/subscribers/{house.person(aino.email).id}"
    theirs = house.get(f"{place}/evidence?lang=fi", heidi.http)
    assert f"{place}/evidence" in " ".join(house.get(f"{place}?lang=fi", heidi.http).links)
    for page in (own, theirs):
        page.told = re.sub(r"\d+\.\d+\.\d+ klo \d+\.\d+", "…", page.words)
    assert own.told == theirs.told


def test_the_sheet_of_nobody_is_not_found(house, aino):
    heidi = Staff(house)
    heidi.log_in()
    assert house.get("/staff/subscribers/00000000-0000-4000-8000-000000000000/evidence", heidi.http).status == 404


def test_a_changed_address_and_an_unsealed_event_are_told_on_the_sheet(house, aino):
    house.service.seal()
    aino.move_to("uusi@example.org")
    house.deliver()
    new = Visitor(house, "uusi@example.org")
    house.get(new.link("confirm")).press(fi("Confirm the address"))
    house.deliver()
    page = sheet(new)
    assert aino.email in page.words, "the address before"
    assert fi("Confirmed a new address from the link in the e-mail") in page.words
    assert fi("not sealed yet; that takes about a minute") in page.words
