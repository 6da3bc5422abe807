"""Files of customers in a backup: taken along as they lie, put back into either database, and never many in memory."""

import base64

import pytest

from consent_service.backup import encrypted_file
from consent_service.backup.backup_file import Reader
from consent_service.models.customers import customer_document
from consent_service.register.document_files import LARGEST_FILE
from tests.conftest import DATABASES
from tests.filing import PDF, Clerk
from tests.processes import run, variables
from tests.test_put_back import KEY, back_up, put_back


@pytest.fixture
def keys(tmp_path):
    (tmp_path / "backup.key").write_text(str(KEY))
    return encrypted_file.read_keys(tmp_path / "backup.key")


@pytest.mark.parametrize("empty_url", DATABASES, indirect=True)
def test_a_file_comes_back_out_of_a_backup_byte_for_byte(sqlite_house, open_house, keys, tmp_path, empty_url):
    heidi = Clerk(sqlite_house)
    heidi.file(heidi.take_in(), "contract", ("sopimus.pdf", PDF))
    back_up(sqlite_house, keys, tmp_path)
    assert PDF[:40] not in (tmp_path / "one.age").read_bytes()
    done = put_back(sqlite_house, tmp_path, empty_url)
    assert done.returncode == 0, done.stderr + done.stdout
    there = Clerk(open_house(empty_url))
    assert there.download(there.document()).content == PDF


def test_data_keys_that_do_not_open_a_customer_s_files_are_told_before_they_are_missed(sqlite_house, keys, tmp_path):
    heidi = Clerk(sqlite_house)
    heidi.file(heidi.take_in(), "contract", ("sopimus.pdf", PDF))  # and nobody subscribes
    back_up(sqlite_house, keys, tmp_path)
    lost = {"CONSENT_DATA_KEYS": base64.b64encode(b"another data key of 32 bytes ok!").decode()}
    done = put_back(sqlite_house, tmp_path, f"sqlite:///{tmp_path}/new.db", **lost)
    assert (done.returncode, done.stdout) == (1, "")
    assert "CONSENT_DATA_KEYS lacks a key that people in this backup need" in done.stderr.splitlines()[-1]
    for given, told in ((lost, "lacks a key that evidence, or a customer's file"), ({}, "what it should (1 in use)")):
        assert told in run(tmp_path, "doctor", given=variables(sqlite_house.settings) | given).stdout


def test_large_files_are_read_back_a_few_at_a_time(sqlite_house, keys, tmp_path):
    heidi = Clerk(sqlite_house)
    aino = heidi.take_in()
    for number in range(4):
        heidi.file(aino, "invoice", (f"{number}.pdf", PDF + bytes(LARGEST_FILE // 2)))
    back_up(sqlite_house, keys, tmp_path)
    with encrypted_file.reading(tmp_path / "one.age", keys) as stream:
        batches = [batch for section, batch in Reader(stream).batches() if section.name == "document_file"]
    assert [len(batch) for batch in batches if batch] == [1, 1, 1, 1]
    assert len(sqlite_house.rows(customer_document)) == 4
