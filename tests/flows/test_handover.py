"""The file that whoever asked to see their data gets: a copy of everything, documents too."""

import io
import json
import zipfile
from hashlib import sha256

from tests.actors import Visitor, fi
from tests.asker import Desk, add_asker
from tests.conftest import on_both_databases
from tests.flows.test_customer_rights import add_document
from tests.machine import Machine
from tests.register import add_customer, add_paper


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


@on_both_databases
def test_the_file_tells_when_somebody_looked_and_not_who(house):
    desk, aino = Desk(house), add_asker(house)
    Visitor(house).becomes_active()
    other = add_customer(house, "eero@example.com", last_name="Niemi")
    Machine(house).status("aino@example.com")
    for customer_id in (aino.id, other):
        assert house.get(f"/staff/customers/{customer_id}", desk.heidi.http).status == 200
    desk.take("access", email="aino@example.com", customer_number=aino.number)
    desk.verify("seen")
    with zipfile.ZipFile(io.BytesIO(desk.open(f"/{desk.number}/file").answer.content)) as folder:
        told, page = json.loads(folder.read("asiakas.json")), folder.read("asiakas.html").decode()
    whats = [look["what"] for look in told["looks"]]
    assert whats[:2] == ["api.status", "console.customers.show"]
    assert whats.count("console.customers.show") == 1, "the other one's is not theirs"
    assert "console.data_request_acts.verify" in whats
    assert all(look.keys() == {"at", "kind", "what"} for look in told["looks"])
    assert fi("opened by a program of ours") in page and fi("changed by our staff") in page
