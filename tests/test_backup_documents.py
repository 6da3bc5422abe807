"""Files of customers in a backup: taken along as they lie, put back into either database, and never many in memory."""

import pytest

from consent_service import encrypted_file
from consent_service.backup_file import Reader
from consent_service.models_customers import customer_document
from consent_service.register.document_files import LARGEST_FILE
from tests.conftest import DATABASES
from tests.filing import PDF, Clerk
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
