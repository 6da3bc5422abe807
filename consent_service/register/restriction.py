"""A customer whose data may be kept but not used (GDPR article 18), until that is lifted. Must not commit."""

from typing import Any

from sqlalchemy import Connection, update

from consent_service.ledger.evidence import Occasion
from consent_service.models_customers import customer


def restrict(connection: Connection, occasion: Occasion, customer_id: str, reason: str) -> None:
    """Mark a customer as restricted; one that is already stays so for the first reason."""
    free = (customer.c.restricted_at.is_(None), customer.c.erased_at.is_(None))
    values = {"restricted_at": occasion.now, "restriction_reason": reason, "changed_at": occasion.now}
    _change(connection, customer_id, *free, values=values)


def lift(connection: Connection, occasion: Occasion, customer_id: str) -> None:
    """End a restriction."""
    values = {"restricted_at": None, "restriction_reason": None, "changed_at": occasion.now}
    _change(connection, customer_id, values=values)


def _change(connection: Connection, customer_id: str, *which: Any, values: dict[str, Any]) -> None:
    connection.execute(update(customer).where(customer.c.id == customer_id, *which).values(**values))
