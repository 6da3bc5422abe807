"""Customers and their documents in tests: customers put into the register, files of every kind, and filing them."""

import zipfile
from io import BytesIO
from urllib.parse import urljoin

from sqlalchemy import update

from consent_service import service as services
from consent_service.models.customers import customer, customer_document, document_file
from consent_service.register import customer_erasure as erasing
from tests.actors import Staff, fi
from tests.page import Page
from tests.register import add_customer

SAVE, REMOVE = fi("Save the document"), fi("Remove for good")
PDF = b"%PDF-1.7\n1 0 obj << /Title (salainen sopimus) >>\n" + bytes(range(256)) * 40
PNG = b"\x89PNG\r\n\x1a\n" + bytes(60)
JPEG = b"\xff\xd8\xff\xe0" + bytes(60)
HTML = b"<!doctype html><script>alert(1)</script>"


def package(*names: str, first: bytes = b"") -> bytes:
    """A zip file that holds these names; with `first`, what an OpenDocument says of itself."""
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as found:
        if first:
            found.writestr("mimetype", first)
        for name in names:
            found.writestr(name, b"<xml/>")
    return stream.getvalue()


DOCX = package("[Content_Types].xml", "word/document.xml")
XLSX = package("[Content_Types].xml", "xl/workbook.xml")
ODT = package("content.xml", first=b"application/vnd.oasis.opendocument.text")
ODS = package("content.xml", first=b"application/vnd.oasis.opendocument.spreadsheet")


class Clerk(Staff):
    """Somebody of the company who keeps the customers' documents."""

    def __init__(self, house):
        super().__init__(house)
        self.log_in()

    def take_in(self, **known: object) -> str:
        """Put a customer into the register and return the id."""
        return add_customer(self.house, **known)

    def take_in_company(self) -> str:
        return self.take_in(kind="company", company_name="Metsä & Järvi Oy", first_name=None, last_name=None)

    def place(self, customer_id: str, tail: str = "") -> str:
        return f"/staff/customers/{customer_id}/documents{tail}?lang=fi"

    def file(self, customer_id: str, kind: str, upload: tuple[str, bytes] | None = None, **fields: str) -> Page:
        """Fill in the form for a kind of document and send it, with a file if one is given: its name and its bytes."""
        page = self.house.get(self.place(customer_id, "/add") + f"&kind={kind}", self.http)
        return self.send(page, {"dated_on": "2024-02-15"} | fields, upload)

    def send(self, page: Page, fields: dict[str, str], upload: tuple[str, bytes] | None = None) -> Page:
        form = page.form(SAVE)
        files = {"file": upload or ("", b"")}
        data = {name: value for name, value in form.fields.items() if name != "file"} | fields
        where = urljoin(page.answer.url, form.action)
        return Page(self.http, self.http.post(where, data=data, files=files, timeout=60))

    def read(self, customer_id: str, tail: str = "") -> Page:
        return self.house.get(self.place(customer_id, tail), self.http)

    def document(self):
        """The only document there is."""
        [row] = self.house.rows(customer_document)
        return row

    def download(self, row, **options: object):
        where = f"{self.house.url}/staff/customers/{row.customer_id}/documents/{row.id}/file"
        return self.http.get(where, timeout=60, **options)

    def erase(self, customer_id: str, today=None):
        """Erase a customer as other rooms do, and return what has to stay."""
        now = services.now()
        with self.house.service.transaction() as connection:
            return erasing.erase(connection, now, customer_id, today or now.date())

    def restrict(self, customer_id: str) -> None:
        values = {"restricted_at": services.now(), "restriction_reason": "asiakas kiistää laskun"}
        with self.house.service.transaction() as connection:
            connection.execute(update(customer).where(customer.c.id == customer_id).values(values))

    def sealed(self) -> list[bytes]:
        return [row.sealed for row in self.house.rows(document_file)]
