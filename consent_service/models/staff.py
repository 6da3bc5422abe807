"""Tables of the company's own people: their accounts, what they log in with, and who looked at what.

As `newsletter.py`: plain tables, the rules a function could forget as constraints; no queries, no Flask. The web wing
maps its class of an account onto `staff`.
"""

from typing import Literal, get_args

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKey, Index, LargeBinary, String, Table

from consent_service.models.columns import UtcDateTime, metadata, partial
from consent_service.models.delivery import outbox_message

# Without a password the account is an invitation that nobody has accepted yet. `link_state` is signed into every mailed
# link and changes when one was used, so that each opens once; `fs_uniquifier` stands in every session, and ends them
# all when it changes. Of an authenticator app: its secret, encrypted, and the last time step a code was taken for.
staff = Table(
    "staff",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("email", String(320), nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("password", String(255), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("fs_uniquifier", String(64), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("role", String(10), nullable=False, server_default="reader"),
    Column("language", String(2), nullable=False, server_default="fi"),
    Column("link_state", String(32), nullable=False, server_default=""),
    Column("ended_at", UtcDateTime, index=True),
    Column("app_sealed", LargeBinary),
    Column("app_step", BigInteger),
    CheckConstraint("role IN ('owner', 'staff', 'reader')", name="role_known"),
)
partial("ix_outbox_message_staff_id", outbox_message.c.staff_id.is_not(None), outbox_message.c.staff_id)

passkey = Table(
    "passkey",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("staff_id", ForeignKey("staff.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("credential_id", LargeBinary, nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("name", String(100), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime),
)

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("staff_id", ForeignKey("staff.id", ondelete="CASCADE"), primary_key=True),
    Column("code_hash", LargeBinary(32), primary_key=True),
)

AccessKind = Literal["looked", "changed", "entered", "refused"]
ACCESS_KINDS: tuple[AccessKind, ...] = get_args(AccessKind)  # by these the audit knows an event of the log of access

# Where the sealed events of the log of access are found again, by who did it and when. What was done, and to whom,
# stands in the event alone. The account is no foreign key: what somebody did outlives their account.
access = Table(
    "access",
    metadata,
    Column("event_id", ForeignKey("consent_event.id"), primary_key=True),
    Column("actor", String(50), nullable=False),
    Column("noted_at", UtcDateTime, nullable=False, index=True),
    Index(None, "actor", "noted_at"),
)
