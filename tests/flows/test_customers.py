"""Customers on the staff pages: added, found, shown, changed by two at once, passive and active again."""

import re

import pytest

from consent_service.models.customers import customer
from consent_service.models.inbox import contact_message
from tests.actors import Staff, Visitor, fi
from tests.conftest import on_both_databases
from tests.register import VALO, add_customer, customer_of

LIST, ADD = "/staff/customers?lang=fi", "/staff/customers/add?lang=fi"
SAVE, CHANGE, ANYWAY = fi("Add the customer"), fi("Save the changes"), fi("No, somebody else: add")
NO_LINE = "Write it in one line of at most %(longest)s characters, without special ones."
TYPED = {
    "kind": "consumer",
    "last_name": "Järvinen",
    "first_name": "Aino",
    "phone": "040 1234567",
    "email": "aino@example.com",
    "street": "Kauppakatu 1 A 2",
    "postal_code": "40100",
    "city": "Jyväskylä",
    "country": "FI",
    "source": "phone",
    "language": "fi",
    "notes": "Toivoo aikoja iltapäiviksi.",
}
TYPED_COMPANY = TYPED | {
    "kind": "company",
    "company_name": "Valo & Varjo Oy",
    "business_id": "32994716",
    "einvoice_address": "0037 3299 4716",
    "einvoice_operator": "003721291126",
    "billing_email": "laskut@valo.example",
    "billing_reference": "PO 7",
}
NOWHERE = TYPED | {"street": "", "postal_code": "", "city": "", "country": "SE"}


@pytest.fixture
def heidi(house):
    staff = Staff(house)
    staff.log_in()
    return staff


@pytest.fixture(scope="module")
def clerk(standing_house):
    """Somebody of the staff of the standing household."""
    staff = Staff(standing_house)
    staff.log_in()
    return staff


@pytest.fixture
def empty_register(standing_house):
    """The standing household, of whose customers nobody is left afterwards."""
    yield standing_house
    with standing_house.service.transaction() as connection:
        connection.execute(customer.delete())


def add(house, heidi, **changed):
    return house.get(ADD, heidi.http).press(SAVE, **(TYPED | changed))


def place(house, tail="", number=1001):
    return f"/staff/customers/{customer_of(house, number).id}{tail}?lang=fi"


def numbers(page):
    return [int(found) for found in re.findall(r'<td class="number"[^>]*>(\d+)</td>', page.html)]


def test_a_consumer_is_added_with_the_next_number_and_shown_as_finns_write(house, heidi):
    empty = house.get(LIST, heidi.http)
    assert fi("There is no customer yet. Add the first one; the number comes by itself.") in empty.words
    page = add(house, heidi)
    assert (page.status, page.answer.history[0].status_code) == (200, 302)
    assert fi("The customer has been added, with number %(number)s.", number=1001) in page.words
    row = customer_of(house)
    assert (row.phone, row.country, row.created_by, row.source) == ("+358401234567", "FI", "Heidi", "phone")
    assert "040 123 4567" in page.words and "tel:+358401234567" in page.links
    assert "mailto:aino@example.com" in page.links and "40100 Jyväskylä" in page.words
    assert "Toivoo aikoja iltapäiviksi." in page.words
    assert fi("This customer has not asked for the newsletter.") in page.words


@on_both_databases
def test_a_company_is_added_with_its_billing_details(house, heidi):
    page = add(house, heidi, **TYPED_COMPANY)
    row = customer_of(house)
    assert (row.business_id, row.einvoice_address) == ("3299471-6", "003732994716")
    for said in ("Valo & Varjo Oy", "Aino Järvinen", "3299471-6", "003732994716", "laskut@valo.example", "PO 7"):
        assert said in page.words


def test_of_a_consumer_nothing_is_taken_that_only_a_company_has(house, heidi):
    page = add(house, heidi, **TYPED_COMPANY | {"kind": "consumer", "business_id": "nonsense"})
    assert page.status == 200
    row = customer_of(house)
    assert (row.kind, row.company_name, row.business_id, row.billing_email) == ("consumer", None, None, None)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"last_name": " "}, "Write the last name."),
        ({"phone": "soita"}, "Write the number with its area or mobile code, for example 040 123 4567, or from abroad "
                             "+46 70 123 4567."),
        ({"email": "aino@"}, "Write one e-mail address in the form name@example.com."),
        ({"postal_code": "4010"}, "A Finnish post code has five digits, for example 40100."),
        ({"source": ""}, "Choose where the data came from."),
        ({"source": "rumour"}, "Choose where the data came from."),
        ({"source": "other"}, "Say where the data came from."),
        ({"kind": "martian"}, "Choose whether it is a consumer or a company."),
        ({"notes": "x" * 4001}, "Shorten the text: at most %(longest)s characters fit in."),
        ({"street": "Kauppakatu\x07 1"}, NO_LINE),
        ({"street": "Kauppakatu 1\nJyväskylä"}, NO_LINE),
        ({"street": "\x00"}, NO_LINE),
        ({"street": "x" * 201}, NO_LINE),
        ({"kind": "company", "company_name": ""}, "Write the company's name."),
        (TYPED_COMPANY | {"business_id": "3299471-5"}, "The digits do not fit together: the last one of a business id "
                                                       "is worked out from the others. One of them has been mistyped."),
        (TYPED_COMPANY | {"einvoice_address": "003732994715"}, "After 0037 stands the business id without its hyphen, "
                                                               "for example 003732994716. Its digits do not fit "
                                                               "together."),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_told_beside_the_field_and_everything_typed_stays(empty_register, clerk, changed, said):
    house = empty_register
    page = add(house, clerk, **changed)
    assert (page.status, page.title.startswith(fi("Error:"))) == (400, True)
    told = fi(said, longest=200 if said == NO_LINE else 4000)
    assert page.words.count(told) == 2, "in the summary and beside the field"
    assert house.rows(customer) == []
    kept = page.form(SAVE).fields
    for name, value in (TYPED | changed).items():
        if name in kept and name not in ("phone", "notes", "business_id", "einvoice_address") and value.strip(" \x00"):
            assert kept[name] == value, name
    again = page.press(SAVE, **(TYPED | {"phone": kept["phone"] if "phone" not in changed else TYPED["phone"]}))
    assert again.status == 200
    [added] = house.rows(customer)
    assert added.phone == "+358401234567"


def test_foreign_places_and_numbers_are_taken_as_they_are_written_there(house, heidi):
    add(house, heidi, phone="+46 70 123 45 67", postal_code="se-123 45", city="Sundbyberg", country="SE")
    row = customer_of(house)
    assert (row.phone, row.postal_code, row.country) == ("+46701234567", "SE-123 45", "SE")
    page = house.get(place(house), heidi.http)
    assert "+46 70 123 45 67" in page.words and "Ruotsi" in page.words


@on_both_databases
def test_customers_are_found_by_any_part_and_filtered(house, heidi):
    add_customer(house)
    add_customer(house, "laskut@valo.example", **VALO)
    add_customer(house, None, first_name="Ville", last_name="Ääri", phone=None, city="Turku")
    house.get(place(house, number=1003), heidi.http).press(fi("Make passive"))
    assert numbers(house.get(LIST, heidi.http)) == [1001, 1002, 1003]
    for query, found in (
        ("q=järvi", [1001]), ("q=040 123", [1001]), ("q=%2B35840", [1001]), ("q=3299471", [1002]), ("q=niemi", [1002]),
        ("q=1003", [1003]), ("q=ÄÄRI ville", [1003]), ("q=turku", [1003]), ("q=valo%40", []), ("q=%25", []),
        ("kind=company", [1002]), ("status=passive", [1003]), ("status=passive&kind=company", []),
        ("q=jyväskylä&kind=consumer", [1001]), ("kind=martian&status=%00&page=x&q=%00", [1001, 1002, 1003]),
    ):  # fmt: skip
        page = house.get(f"{LIST}&{query}", heidi.http)
        assert (page.status, numbers(page)) == (200, found), query
        part = house.get(f"{LIST}&{query}&part=list", heidi.http)
        assert numbers(part) == found and "<html" not in part.html, "the same list for the script"


def test_the_list_has_pages_of_fifty_by_name(house, heidi):
    for number in range(51):
        add_customer(house, None, last_name=f"Nimi {number:02}")
    first, second = (house.get(f"{LIST}&page={number}", heidi.http) for number in (1, 9))
    assert numbers(first) == list(range(1001, 1051)) and numbers(second) == [1051]


def test_details_are_changed_and_found_anew(house, heidi):
    add(house, heidi)
    form = house.get(place(house, "/change"), heidi.http)
    assert form.form(CHANGE).fields["phone"] == "040 123 4567"
    page = form.press(CHANGE, **(TYPED | {"last_name": "Koskinen", "phone": ""}))
    assert fi("The changes have been saved.") in page.words and "Aino Koskinen" in page.title
    assert customer_of(house).phone is None
    assert numbers(house.get(f"{LIST}&q=koskinen", heidi.http)) == [1001]
    assert numbers(house.get(f"{LIST}&q=järvinen", heidi.http)) == []


@on_both_databases
def test_of_two_who_change_one_customer_the_second_is_told_and_nothing_is_lost(house, heidi):
    add(house, heidi)
    hers, his = (house.get(place(house, "/change"), heidi.http) for _ in range(2))
    his.press(CHANGE, **(TYPED | {"city": "Laukaa", "notes": "Vain perjantaisin.", "source": "contract", "phone": ""}))
    refused = hers.press(CHANGE, **(TYPED | {"street": "Yliopistonkatu 9", "city": "Muurame"}))
    assert (refused.status, refused.title.startswith(fi("Error:"))) == (409, True)
    assert customer_of(house).city == "Laukaa"
    others = ("Kauppakatu 1 A 2", "Laukaa", "Vain perjantaisin.", fi("Contract"), fi("nothing"))
    for other in others:
        assert fi("Saved now: %(value)s", value=other) in refused.words
    assert refused.html.count('class="theirs"') == len(others)
    kept = refused.form(CHANGE).fields
    assert (kept["street"], kept["city"]) == ("Yliopistonkatu 9", "Muurame")
    assert refused.press(CHANGE, **TYPED).status == 200, "seen and decided"
    for stamp in ("", "yesterday", "2026-11-29T12:00:00"):
        assert hers.press(CHANGE, **(TYPED | {"city": "Muurame", "changed_at": stamp})).status == 409, stamp


@pytest.mark.parametrize("typed", [TYPED, TYPED_COMPANY | {"kind": "consumer"}, NOWHERE])
def test_a_change_that_is_sent_twice_is_saved_and_nobody_is_said_to_have_been_faster(house, heidi, typed):
    add(house, heidi)
    form = house.get(place(house, "/change"), heidi.http)
    for _ in range(2):
        page = form.press(CHANGE, **(typed | {"last_name": "Koskinen"}))
        assert fi("The changes have been saved.") in page.words


def test_a_customer_is_made_passive_and_active_again(house, heidi):
    add(house, heidi)
    page = house.get(place(house), heidi.http).press(fi("Make passive"))
    assert fi("The customer is passive now.") in page.words and customer_of(house).passive_since is not None
    page = page.press(fi("Make active again"))
    assert fi("The customer is active again.") in page.words
    assert (customer_of(house).status, customer_of(house).passive_since) == ("active", None)


def test_the_newsletter_has_its_own_state_beside_the_address(house, heidi):
    add(house, heidi)
    aino = Visitor(house)
    aino.subscribe()
    house.deliver()
    steps = (
        ("The newsletter has been asked for, but not confirmed yet.", aino.confirm),
        ("This customer gets the newsletter.", aino.leave),
        ("This customer has left the newsletter.", lambda: house.object(aino.email)),
        ("Whoever has this address has objected to marketing: never send them any.", lambda: None),
    )
    for said, next_step in steps:
        page = house.get(place(house), heidi.http)
        assert fi(said) in page.words
        assert f"/staff/subscribers/{house.person(aino.email).id}" in page.links
        next_step()
        house.deliver()


@on_both_databases
def test_whoever_may_be_here_already_is_shown_before_anything_is_saved(house, heidi):
    add_customer(house)
    add_customer(house, "info@valo.example", **VALO)
    for changed, number, reason in (
        ({"last_name": "Muu", "phone": ""}, 1001, "same e-mail address"),
        ({"last_name": "Muu", "email": ""}, 1001, "same phone number"),
        ({"email": "", "phone": ""}, 1001, "same name and town"),
        ({"email": "", "phone": "", "last_name": "Jarvinen", "city": ""}, 1001, "similar name"),
        ({"email": "", "phone": "", "last_name": "Järvnien"}, 1001, "similar name"),
        (TYPED_COMPANY | {"email": "", "phone": "", "company_name": "Toinen"}, 1002, "same business id"),
        (TYPED_COMPANY | {"email": "", "phone": "", "business_id": "", "company_name": "valo ja varjo"}, None, ""),
        (TYPED_COMPANY | {"email": "", "phone": "", "business_id": "", "company_name": "Valo Varjo Ab"}, 1002,
         "same name and town"),
    ):  # fmt: skip
        page = add(house, heidi, **changed)
        if number is None:
            house.get(place(house, "/erase", 1003), heidi.http).press(fi("Erase for good"), name="valo ja varjo")
            continue
        assert (page.status, fi("Is it one of these?") in page.words) == (409, True), changed
        assert place(house, number=number).partition("?")[0] in page.links and fi(reason) in page.words
    assert len(house.rows(customer)) == 2
    assert set(page.form(ANYWAY).buttons) == {ANYWAY}, "the one at the bottom does the same, and says so"
    done = page.press(ANYWAY, **(TYPED_COMPANY | changed))
    assert done.status == 200 and len(house.rows(customer)) == 3
    again = page.press(ANYWAY, **TYPED)
    assert again.status == 409, "somebody else than was shown is shown first"


def test_a_customer_is_made_of_a_contact_message(house, heidi):
    Visitor(house).write()
    [message] = house.rows(contact_message)
    page = house.get(f"/staff/contact-messages/{message.id}?lang=fi", heidi.http)
    [link] = [link for link in page.links if "customers/add" in link]
    form = house.get(f"{link}&lang=fi", heidi.http)
    fields = form.form(SAVE).fields
    assert (fields["last_name"], fields["phone"]) == ("Mäkelä", "040 123 4567")
    assert "tarjouksen" not in fields["notes"], "the message is not copied"
    chosen = {"kind": "consumer", "country": "FI", "source": "contact_form", "language": "fi"}
    done = form.press(SAVE, **chosen)
    assert fi("The customer has been added. When you have answered the message, close it.") in done.words
    assert place(house).partition("?")[0] in done.links and fi("Make a customer of this") not in done.words
    assert done.press(fi("Close the message")).status == 200
    shown = house.get(place(house), heidi.http)
    assert f"/staff/contact-messages/{message.id}" in shown.links
    assert house.get("/staff/customers/add?message=nonsense%00", heidi.http).status == 404


def test_nobody_but_staff_sees_or_changes_a_customer(house):
    add_customer(house)
    before = house.everything()
    other = "00000000-0000-4000-8000-000000000000"
    for tail in ("", "/change", "/restrict", "/lift", "/erase", "/merge", f"/merge/{other}"):
        answer = house.get(place(house, tail), allow_redirects=False)
        assert (answer.status, "Järvinen" in answer.html) == (302, False)
    for tail in ("/change", "/make-passive", "/make-active", "/restrict", "/lift", "/erase", f"/merge/{other}"):
        assert house.post(place(house, tail), {"name": "Järvinen"}).status in (302, 400)
    assert house.get(LIST, allow_redirects=False).status == 302
    assert house.everything() == before
