"""The rules of retention for what belongs to customers: their data, imports, documents by class, permissions.

A part of the one table in `retention`. A document ends on the day after the last one that `keeping` found for it, and
not while its customer's data is restricted. Must not commit or read a clock.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection

from consent_service.language import day_of, mark
from consent_service.ledger.evidence import Occasion
from consent_service.models.customer_imports import customer_import
from consent_service.models.customers import customer_document, shredding
from consent_service.register import customer_imports, documents
from consent_service.register.customer_erasure import RULE
from consent_service.register.keeping import BOOK, CONSENT_FORM, CONTRACT, VOUCHER
from consent_service.retention_rule import End, Rule, delete_by, gone_by


def _end_documents(connection: Connection, occasion: Occasion, rule: str, keys: Sequence[Any]) -> None:
    documents.end_overdue(connection, keys, day_of(occasion.now))


def _has_run_out(retention_class: str, now: datetime, after: timedelta) -> Any:
    return documents.has_run_out(retention_class, day_of(now))


def _is_unwanted(now: datetime, after: timedelta) -> Any:
    return documents.is_unwanted(day_of(now))


def _was_shredded(now: datetime, after: timedelta) -> Any:
    return shredding.c.destroyed_on <= day_of(now - after).isoformat()


def _documents_of(retention_class: str) -> End:
    is_due = partial(_has_run_out, retention_class)
    return End(customer_document.c.id, is_due, _end_documents, customer_document.c.keep_until)


def _is_old_import(now: datetime, after: timedelta) -> Any:
    return (customer_import.c.created_at <= now - after) & customer_import.c.emptied_at.is_(None)


def _forget_imports(connection: Connection, occasion: Occasion, rule: str, keys: Sequence[Any]) -> None:
    customer_imports.forget_overdue(connection, occasion.now, keys)


RULES = (
    Rule(
        RULE,  # ended by a person once a year, with the list before their eyes: `reviews`
        mark("What we know about you as our customer: name, number, contact and billing details, and our notes"),
        mark("as long as you are our customer, and at most ten years after; we look through it once a year"),
        mark(
            "To keep our agreements with you. Claims that arise from them can be made for ten years. "
            "What the law makes us keep longer, we keep by itself."
        ),
        timedelta(days=3652),
    ),
    Rule(
        "customer_import",
        mark("A row of a customer list that we are taking into our register, or that could not be taken"),
        mark("7 days"),
        mark("To check the list and to correct what is wrong in it."),
        customer_imports.FORGOTTEN_AFTER,
        end=End(customer_import.c.id, _is_old_import, _forget_imports, customer_import.c.created_at),
    ),
    Rule(
        "customer_import_batch",
        mark("That you came into our customer register with a list, without what stood in the list"),
        mark("30 days"),
        mark("So that a list taken in by mistake can be taken out again."),
        customer_imports.UNDOABLE_FOR,
        end=gone_by(customer_import.c.id, customer_import.c.created_at),
    ),
    Rule(
        VOUCHER,
        mark("Invoices, and offers and contracts that prove a transaction with you"),
        mark("six years from the end of the calendar year in which our financial year ended"),
        mark("The Accounting Act (1336/1997, chapter 2, section 10) demands it, whatever else is erased."),
        end=_documents_of(VOUCHER),
    ),
    Rule(
        BOOK,
        mark("What our account books say about transactions with you"),
        mark("ten years from the end of the financial year"),
        mark("The Accounting Act (1336/1997, chapter 2, section 10) demands this, too."),
        end=_documents_of(BOOK),
    ),
    Rule(
        CONTRACT,
        mark("A contract between you and us"),
        mark("as long as it goes on, and ten years after it ended"),
        mark("To make or answer claims from it, which lapse in ten years (Act 728/2003, section 7)."),
        end=_documents_of(CONTRACT),
    ),
    Rule(
        CONSENT_FORM,
        mark("A consent you have signed on paper, and its copy"),
        mark("until the day noted on it, or until your customer data is erased"),
        mark("To show what you agreed to."),
        end=End(customer_document.c.id, _is_unwanted, _end_documents, customer_document.c.destroy_by),
    ),
    Rule(
        documents.RULE,
        mark("Other documents about you as a customer: information form, work plan, offers"),
        mark("as long as your customer data"),
        mark("To serve you as agreed."),
    ),
    Rule(
        "publication",
        mark("What you have permitted us to publish, where and until when"),
        mark("as long as your customer data, also after you have taken it back"),
        mark("To publish nothing else, and to show that we were permitted to."),
    ),
    Rule(
        "shredding",
        mark("A note that a paper was shredded: its binder, page and day, without a name"),
        mark("three years after that"),
        mark("To show that it was done."),
        timedelta(days=3 * 365 + 1),
        end=End(shredding.c.id, _was_shredded, delete_by(shredding.c.id)),
    ),
)
