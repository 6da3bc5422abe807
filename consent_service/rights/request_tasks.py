"""What has to be done where for a data subject's request, by its kind and by what is known of the person.

The words tell a person of the company what to do, plainly enough to do it. Knows no database.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from consent_service.language import mark

ACCESS, RECTIFY, ERASE, RESTRICT = "access", "rectify", "erase", "restrict"
PORTABILITY, OBJECT = "portability", "object"
KINDS = {
    ACCESS: mark("See what we hold (article 15)"),
    RECTIFY: mark("Have something corrected (article 16)"),
    ERASE: mark("Have everything erased (article 17)"),
    RESTRICT: mark("Have the use restricted (article 18)"),
    PORTABILITY: mark("Take the data along (article 20)"),
    OBJECT: mark("Object to marketing (article 21)"),
}
NEWSLETTER, THERE, CUSTOMER, DOCUMENTS = "newsletter", "activecampaign", "customer", "documents"
MESSAGES, SPREADSHEET, BINDER, MAILBOX = "contact_messages", "spreadsheet", "binder", "mailbox"
ACCOUNTING, BACKUPS = "accounting", "backups"
PLACES = {
    NEWSLETTER: mark("Newsletter"),
    THERE: mark("ActiveCampaign"),
    CUSTOMER: mark("Customer register"),
    DOCUMENTS: mark("The customer's documents"),
    MESSAGES: mark("Contact messages"),
    SPREADSHEET: mark("Old spreadsheets"),
    BINDER: mark("The binder"),
    MAILBOX: mark("E-mails and text messages"),
    ACCOUNTING: mark("The accountant"),
    BACKUPS: mark("Backups"),
}
FILE = mark("Goes into the file that you hand over.")
IN_LINE = mark("Is told by itself as soon as it is changed here.")


class Task(NamedTuple):
    """What is to be done in one place, and whether the service does it itself."""

    words: str
    is_automatic: bool = True


def _by_hand(words: str) -> Task:
    return Task(words, is_automatic=False)


TASKS: Mapping[str, Mapping[str, Task]] = {
    ACCESS: {
        NEWSLETTER: Task(FILE),
        THERE: Task(mark("Is read there and goes into the file; that may take some minutes.")),
        CUSTOMER: Task(FILE),
        DOCUMENTS: Task(mark("Their list goes into the file, with how long each is kept.")),
        MESSAGES: Task(FILE),
        SPREADSHEET: _by_hand(
            mark(
                "Search every old spreadsheet, also on memory sticks and in attachments, for the name, the addresses, "
                "the phone number and the customer number. Copy the rows about the person, and nobody else's."
            )
        ),
        BINDER: _by_hand(mark("Copy the forms, contracts and notes about the person.")),
        MAILBOX: _by_hand(
            mark("Search the mailbox and the phone for the name and the addresses, and copy what is about the person.")
        ),
    },
    RECTIFY: {
        NEWSLETTER: _by_hand(
            mark(
                "Mail them the link to their own page: there they set the name right, and a new address is confirmed "
                "by its owner."
            )
        ),
        THERE: Task(IN_LINE),
        CUSTOMER: _by_hand(mark("Correct the customer's details, and write here what was changed.")),
        SPREADSHEET: _by_hand(mark("Search the old spreadsheets for the person, and correct every row.")),
        BINDER: _by_hand(mark("Write the correction on the forms in the binder, with the date.")),
        ACCOUNTING: _by_hand(mark("Tell the accountant what has changed, if invoices are concerned.")),
    },
    ERASE: {
        NEWSLETTER: Task(mark("Name, address, subscription and the proof of consent are destroyed.")),
        THERE: Task(mark("The contact is deleted there; this is done once ActiveCampaign has answered.")),
        CUSTOMER: Task(mark("All details are destroyed. While a document has to stay, so does the customer number.")),
        DOCUMENTS: Task(mark("Those that no law keeps are destroyed.")),
        MESSAGES: Task(mark("What came from the person's address with the contact form is destroyed.")),
        SPREADSHEET: _by_hand(
            mark(
                "Search every old spreadsheet, also on memory sticks and in attachments, for the name, the addresses, "
                "the phone number and the customer number. Delete the rows and empty the bin."
            )
        ),
        BINDER: _by_hand(
            mark("Shred forms and notes. Invoices and contracts stay until the day beside them in the register.")
        ),
        MAILBOX: _by_hand(
            mark("Delete e-mails, text messages and the contact in the phone, and empty the bin of each.")
        ),
        ACCOUNTING: _by_hand(mark("Ask the accountant to erase what is not part of the books.")),
        BACKUPS: Task(
            mark("Nothing to do: each is deleted in its time, and after putting one back erasures are done again.")
        ),
    },
    RESTRICT: {
        NEWSLETTER: Task(mark("Nothing is sent any more, and nothing is erased until the restriction is lifted.")),
        THERE: Task(IN_LINE),
        CUSTOMER: Task(mark("Is marked as restricted: neither used nor erased until that is lifted.")),
        SPREADSHEET: _by_hand(mark("Write “restricted, do not use” on every row about the person.")),
        BINDER: _by_hand(mark("Put the person's papers into an envelope, and write “restricted, do not use” on it.")),
        ACCOUNTING: _by_hand(mark("Tell the accountant that the data may be kept but not used.")),
    },
    PORTABILITY: {
        NEWSLETTER: Task(FILE),
        CUSTOMER: Task(FILE),
        MESSAGES: Task(FILE),
        SPREADSHEET: _by_hand(mark("Copy what the person gave us and what stands only in an old spreadsheet.")),
    },
    OBJECT: {
        NEWSLETTER: Task(mark("Nothing is ever sent to the address again.")),
        THERE: Task(IN_LINE),
        CUSTOMER: _by_hand(mark("Write on the customer's page that they want no marketing.")),
        SPREADSHEET: _by_hand(mark("Cross the person off every mailing list.")),
    },
}


@dataclass(frozen=True)
class Known:
    """What is known of whoever asked: subscriber, contact at ActiveCampaign, customer, address."""

    subscriber: bool
    there: bool
    customer: bool
    address: bool


def wanted(kind: str, known: Known) -> dict[str, Task]:
    """Return what a request of a kind needs done, by place, for somebody of whom so much is known."""
    needs = {
        NEWSLETTER: known.subscriber or (kind == OBJECT and known.address),
        THERE: known.there,
        CUSTOMER: known.customer,
        DOCUMENTS: known.customer,
        ACCOUNTING: known.customer,
        MESSAGES: known.address,
    }
    return {place: task for place, task in TASKS[kind].items() if needs.get(place, True)}
