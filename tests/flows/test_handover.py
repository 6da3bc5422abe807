"""The file that whoever asked to see their data gets: a copy of everything, documents too."""

import io
import json
import zipfile
from hashlib import sha256

from tests.asker import Desk, add_asker
from tests.conftest import on_both_databases
from tests.flows.test_customer_rights import add_document
from tests.register import add_paper


@on_both_databases
def test_a_copy_of_every_document_is_in_the_file(house):
    desk, aino = Desk(house), add_asker(house)
    add_paper(house, aino.id, dated_on="2026-01-02")
    add_document(house, aino.id, b"%PDF the first", dated_on="2026-02-01")
    add_document(house, aino.id, b"%PDF the second", dated_on="2026-03-01")
    desk.take("access", customer_number=aino.number)
    desk.verify("seen")
    with zipfile.ZipFile(io.BytesIO(desk.open(f"/{desk.number}/file").answer.content)) as folder:
        assert folder.testzip() is None
        first, second = folder.read("asiakirjat/002-lasku.pdf"), folder.read("asiakirjat/003-lasku.pdf")
        told, page = json.loads(folder.read("asiakas.json")), folder.read("asiakas.html").decode()
        sums = folder.read("SHA256SUMS").decode()
    assert (first, second) == (b"%PDF the first", b"%PDF the second")
    files = [one["file"] for one in told["documents"]]
    assert files == [None, "asiakirjat/002-lasku.pdf", "asiakirjat/003-lasku.pdf"]
    assert all(name in page for name in files if name)
    assert f"{sha256(second).hexdigest()}  asiakirjat/003-lasku.pdf\n" in sums
