"""What a column of a spreadsheet may say of a customer: its name in the register, and what people call it.

The columns of an export are called as the pages call them, in Finnish, Swedish or English, so that a file that came
out of the register needs no thinking when it goes in again. Knows no file and no database.
"""

import re
from collections.abc import Sequence
from functools import cache
from hashlib import sha256

from consent_service.language import CODES, language, mark

NUMBER, KIND = "number", "kind"
NAME, NAME_REVERSED, ADDRESS = "name", "name_reversed", "address"
COLUMNS = {
    NUMBER: mark("Customer number"),
    KIND: mark("Kind of customer"),
    "company_name": mark("Company"),
    "business_id": mark("Business id"),
    "first_name": mark("First name"),
    "last_name": mark("Last name"),
    "phone": mark("Phone number"),
    "email": mark("E-mail address"),
    "street": mark("Street address"),
    "postal_code": mark("Post code"),
    "city": mark("Town"),
    "country": mark("Country"),
    "billing_email": mark("E-mail address for invoices"),
    "billing_address": mark("Address for invoices"),
    "billing_reference": mark("Reference on invoices"),
    "einvoice_address": mark("E-invoice address"),
    "einvoice_operator": mark("E-invoice operator"),
    "source": mark("Where the data came from"),
    "source_note": mark("More about where it came from"),
    "language": mark("Language"),
    "notes": mark("Notes"),
}
# Ways in which other registers have several of these in one column.
TOGETHER = {
    NAME: mark("Whole name, the first name first"),
    NAME_REVERSED: mark("Whole name, the last name first"),
    ADDRESS: mark("Whole address in one cell"),
}
MEANINGS = COLUMNS | TOGETHER
_OTHER_NAMES = {
    NUMBER: "asiakasnumero asiakasnro asiakasnum numero nro kundnummer kundnr customernumber customerid number",
    KIND: "tyyppi asiakastyyppi laji typ kundtyp type customertype",
    "company_name": "yritys yrityksennimi yritysnimi yhtiö toiminimi firma organisaatio företag företagsnamn bolag"
    " company companyname organisation organization",
    "business_id": "ytunnus yhteisötunnus liikejayhteisötunnus lytunnus fonummer foretagsid businessid vatid",
    "first_name": "etunimi etunimet kutsumanimi förnamn firstname givenname",
    "last_name": "sukunimi efternamn lastname surname familyname",
    "phone": "puhelin puh puhnro puhelinnro gsm matkapuhelin kännykkä mobiili telefon telefonnummer tel mobil"
    " mobiltelefon phone mobile telephone phonenumber",
    "email": "sähköposti sähköpostiosoite sposti meili epost epostadress email mail emailaddress",
    "street": "katuosoite lähiosoite katu postiosoite gatuadress gata street streetaddress addressline1",
    "postal_code": "postinumero postinro pnro postnummer postnr postcode postalcode zip zipcode",
    "city": "paikkakunta postitoimipaikka kaupunki kunta ptp ort postort stad city town",
    "country": "maa maakoodi land country countrycode",
    "billing_email": "laskutussähköposti faktureringsepost billingemail",
    "billing_address": "laskutusosoite faktureringsadress billingaddress invoiceaddress",
    "billing_reference": "laskutusviite viite viitteenne fakturareferens referens reference",
    "einvoice_address": "verkkolaskuosoite ovt ovttunnus nätfakturaadress einvoiceaddress",
    "einvoice_operator": "verkkolaskuoperaattori operaattori välittäjä välittäjätunnus nätfakturaoperatör operator",
    "source": "mistätiedotonsaatu mistätiedotsaatu tietolähde lähde källa varifrån source",
    "source_note": "lähteenlisätieto",
    "language": "kieli asiointikieli språk language",
    "notes": "lisätiedot lisätietoja lisätieto huomautukset huomautus huom muistiinpanot kommentti anteckningar"
    " tilläggsuppgifter övrigt notes comment comments remarks",
    NAME: "nimi asiakas asiakkaannimi yhteyshenkilö kokonimi namn kund kontaktperson name fullname customer contact",
    NAME_REVERSED: "sukunimietunimi sukunimijaetunimi sukunimijaetunimet efternamnförnamn lastnamefirstname",
    ADDRESS: "osoite adress address",
}
LOOKED_FOR_HEADER = 30  # so many rows of a sheet may stand before the headings


def proposal(headers: Sequence[str]) -> list[str]:
    """Return what each column seems to be by its heading, empty where nothing is known; none is proposed twice."""
    found: list[str] = []
    for header in headers:
        meaning = _meanings().get(_plain(header), "")
        found.append("" if meaning in found else meaning)
    return found


def recognised(headers: Sequence[str]) -> int:
    """Return how many of these cells look like headings."""
    return sum(map(bool, proposal(headers)))


def headers_hash(headers: Sequence[str]) -> str:
    """Return the same for the same headings, and nothing that could be read."""
    return sha256("\n".join(map(_plain, headers)).encode()).hexdigest()


@cache
def _meanings() -> dict[str, str]:
    known = {_plain(name): meaning for meaning, names in _OTHER_NAMES.items() for name in names.split()}
    for code in CODES:
        known |= {_plain(language(code).say(label)): meaning for meaning, label in MEANINGS.items()}
    return known


def _plain(header: str) -> str:
    return re.sub(r"[\W_]+", "", header.casefold())
