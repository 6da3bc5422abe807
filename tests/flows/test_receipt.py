"""The proof in the person's hands: downloaded from the confirmed page, checked on the command line and in a browser."""

import base64
import json

import pytest

from consent_service.language import language
from consent_service.ledger import merkle, proof, sealer, tiles
from consent_service.ledger.checkpoint import Signer
from tests.actors import Visitor
from tests.household import DATA_KEY, LOG_KEY
from tests.processes import run, variables


@pytest.fixture
def aino(sqlite_house):
    person = Visitor(sqlite_house)
    person.subscribe()
    sqlite_house.deliver()
    return person


def receipt_link(page):
    [link] = [link for link in page.links if "/receipt" in link]
    return link


def test_the_confirmed_page_leads_to_the_proof_as_soon_as_it_is_sealed(aino):
    house = aino.house
    link = receipt_link(aino.confirm())
    early = house.get(link)
    assert (early.status, early.answer.headers["Retry-After"]) == (404, "60")
    assert language("fi").say("Your proof is ready in a moment") in early.title
    house.service.seal()
    answer = house.get(link).answer
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].endswith('.tlog-proof"')
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.content.startswith(b"c2sp.org/tlog-proof@v1\n")
    assert receipt_link(house.get(aino.link("confirm"))) == link, "and again when the link is opened later"


def test_once_the_log_has_another_key_the_page_that_checks_leads_to_the_ones_before(sqlite_house, open_house):
    Visitor(sqlite_house).subscribe()
    sqlite_house.service.seal()
    assert not [link for link in sqlite_house.get("/verify").links if "key-changes" in link]
    both = f"{base64.b64encode(bytes(32)).decode()},{LOG_KEY}"
    new = open_house(sqlite_house.settings.database_url, log_key=both)
    new.service.seal()
    [link] = [link for link in new.get("/verify").links if "key-changes" in link]
    assert str(sqlite_house.service.signer.verifier) in new.get(link).answer.text


def test_only_the_link_of_the_consent_that_holds_leads_to_it(aino):
    house, old = aino.house, aino.link("confirm")
    place = old.partition("?")[0] + "/receipt"
    assert house.get(place).status == 404, "not confirmed yet"
    aino.confirm()
    house.service.seal()
    assert house.get(place).status == 200
    assert house.get(place.replace("/confirm/", "/confirm/x")).status == 404
    house.deliver()
    aino.leave()
    assert house.get(place).status == 404, "the consent has been withdrawn"


def test_the_own_page_leads_to_the_proof_of_what_was_agreed_to(aino):
    house = aino.house
    assert not [link for link in aino.my_data().links if "/receipt" in link], "nothing was agreed to yet"
    aino.confirm()
    link = receipt_link(aino.my_data())
    early = house.get(link)
    assert (early.status, early.answer.headers["Retry-After"]) == (404, "60")
    assert link in early.links
    house.service.seal()
    answer, event_id = house.get(link).answer, house.person(aino.email).basis_event_id
    assert answer.headers["Content-Disposition"].endswith('.tlog-proof"')
    says = proof.check(answer.content, house.service.signer.verifier)
    assert (says.id, says.payload["kind"]) == (event_id, "confirmed")
    eero = Visitor(house, "eero@example.com")
    eero.subscribe()
    house.deliver()
    eero.my_data()
    assert house.get(eero.link("my-data").replace("?", "/receipt?")).status == 404


def test_the_checkpoint_and_the_key_are_open_to_anybody(aino):
    house = aino.house
    assert house.get("/log/checkpoint").status == 404
    house.service.seal()
    note, key = house.get("/log/checkpoint").answer, house.get("/log/key").answer
    assert note.headers["Content-Type"] == key.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert house.service.signer.verifier.check(note.content).size == house.count()
    assert key.text.strip() == str(house.service.signer.verifier)
    assert b"aino" not in note.content


def test_a_stranger_checks_it_on_the_command_line_with_the_key_alone(aino, tmp_path):
    house = aino.house
    link = receipt_link(aino.confirm())
    house.service.seal()
    (tmp_path / "proof.tlog-proof").write_bytes(house.get(link).answer.content)
    key = house.get("/log/key").answer.text.strip()
    done = run(tmp_path, "verify", "proof.tlog-proof", "--key", key)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("The proof is genuine.\n")
    assert "aino@example.com" in done.stdout
    assert house.service.consent_text(language("fi")).sentence in done.stdout
    told = json.loads(run(tmp_path, "verify", "proof.tlog-proof", "--key", key, "--json").stdout)
    assert (told["says"]["kind"], told["log"]) == ("confirmed", house.service.signer.origin)


def test_a_changed_proof_a_wrong_key_and_a_missing_file_are_refused_in_one_line(aino, tmp_path):
    house = aino.house
    link = receipt_link(aino.confirm())
    house.service.seal()
    file, key = house.get(link).answer.content, str(house.service.signer.verifier)
    (tmp_path / "good").write_bytes(file)
    (tmp_path / "bad").write_bytes(file.replace(b"index ", b"index 1"))
    for words, told in (
        (("bad", "--key", key), "The proof does not hold: leaf "),
        (("good", "--key", "nonsense"), "the key is written like "),
        (("good", "--key", f"x{key}"), "the key's id does not belong to "),
        (("good", "--key", str(Signer.named_after_key(bytes(32)).verifier)), "The proof does not hold: the checkpoint"),
    ):
        done = run(tmp_path, "verify", *words)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done
        assert done.stderr.startswith(told), done.stderr
    assert run(tmp_path, "verify", "nowhere").returncode == 2


def test_without_a_key_it_takes_those_of_the_service_or_asks_for_one_and_writes_nothing(aino, tmp_path):
    house, stranger = aino.house, tmp_path / "elsewhere"
    link = receipt_link(aino.confirm())
    house.service.seal()
    stranger.mkdir()
    (stranger / "proof").write_bytes(house.get(link).answer.content)
    asked = run(stranger, "verify", "proof")
    assert (asked.returncode, asked.stdout, asked.stderr.count("\n")) == (1, "", 1)
    assert asked.stderr.endswith(": --key KEY\n")
    assert run(stranger, "verify", "proof", given=variables(house.settings)).returncode == 0
    other = variables(house.settings) | {"CONSENT_LOG_KEY": DATA_KEY}
    refused = run(stranger, "verify", "proof", given=other)
    assert refused.stderr.startswith("The proof does not hold: ") and "--key" in refused.stderr
    assert [file.name for file in stranger.iterdir()] == ["proof"]


def test_sealing_by_hand_says_what_it_did(aino, tmp_path):
    given = variables(aino.house.settings)
    assert run(tmp_path, "seal", given=given).stdout == f"The log now has {aino.house.count()} events.\n"
    assert run(tmp_path, "seal", given=given).stdout == "No event waits.\n"


def test_the_mailbox_of_whoever_confirms_is_a_witness_of_the_log(sqlite_house):
    house = sqlite_house
    Visitor(house, "eero@example.com").becomes_active()
    house.service.seal()
    aino = Visitor(house).becomes_active()
    house.service.seal()
    words = house.mail.to(aino.email)[-1].text.splitlines()
    said = next(number for number, line in enumerate(words) if line.startswith(house.service.signer.origin))
    name, size, root, signature = words[said : said + 4]
    checkpoint = house.service.verifiers.check(f"{name}\n{size}\n{root}\n\n{signature}\n".encode())
    with house.service.reading() as connection:
        newest = sealer.newest(connection)
        assert merkle.root(checkpoint.size, tiles.reader(connection)) == checkpoint.root
    assert 0 < checkpoint.size < newest.size
