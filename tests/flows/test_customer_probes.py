"""Whatever somebody writes into a customer's fields, no page runs it: shown as it was typed, nothing more."""

import html
import re

import pytest

from consent_service.models_customers import customer
from tests.actors import Staff, fi
from tests.register import customer_of

PROBES = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onfocus='alert(1)' autofocus='",
    '=HYPERLINK("http://evil.example";"x")',
    "{{ 7*7 }}{% raw %}",
    "%(name)s %s 100 %",
    "javascript:alert(1)",
    "]]></textarea><svg onload=alert(1)>",
)
FREE = ("company_name", "last_name", "first_name", "street", "city", "billing_address", "billing_reference",
        "einvoice_operator", "source_note", "notes")  # fmt: skip
LONGEST = {"einvoice_operator": 35}


@pytest.mark.parametrize("probe", PROBES)
def test_probes_in_every_free_field_stay_text_on_every_page(house, probe):
    heidi = Staff(house)
    heidi.log_in()
    fields = {name: probe[: LONGEST.get(name, 100)] for name in FREE}
    fields |= {"kind": "company", "country": "FI", "source": "other", "language": "fi"}
    page = house.get("/staff/customers/add?lang=fi", heidi.http).press(fi("Add the customer"), **fields)
    assert page.status == 200, page.title
    row = customer_of(house)
    assert [getattr(row, name) for name in FREE] == [fields[name] for name in FREE]
    other = house.get("/staff/customers/add?lang=fi", heidi.http)
    seen = other.press(fi("Add the customer"), **fields)
    assert seen.status == 409
    seen.press(fi("No, somebody else: add"), **fields)
    mine, other = (f"/staff/customers/{one.id}" for one in house.rows(customer))
    restrict = house.get(f"{mine}/restrict?lang=fi", heidi.http)
    places = [
        "/staff/customers",
        "/staff/customers?part=list",
        mine,
        f"{mine}/change",
        f"{mine}/erase",
        f"{mine}/merge",
    ]
    places += [f"{mine}/merge/{other.rpartition('/')[2]}"]
    pages = [seen, *(house.get(path, heidi.http, params={"lang": "fi"}) for path in places)]
    pages += [restrict.press(fi("Only keep the data"), reason=probe), house.get(f"{mine}/lift?lang=fi", heidi.http)]
    for one in pages:
        is_harmless(one, probe)


def is_harmless(page, probe):
    assert page.status in (200, 409), page.title
    bare = re.sub(r'<script src="/static/search.js" defer></script>', "", page.html)
    for tag in re.findall(r"<[a-z][^>]*>", bare):
        assert not re.search(r"\son[a-z]+\s*=", re.sub(r'"[^"]*"', '""', tag)), tag
        assert not tag.startswith(("<script", "<img", "<svg")), tag
    assert not [link for link in page.links if link.startswith("javascript:")]
    assert "javascript:" in probe or 'href="javascript' not in bare
    assert "{{" not in probe or "{{ 7*7 }}" in html.unescape(bare), "nobody worked it out"
