"""What the mails to the company's own people say: an invitation, and a link to set a new password.

Each link is signed when the mail is written, for the account as it is then; one whose reason has passed is not written.
Nothing anybody typed stands in them. Must not send anything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from consent_service import language as languages
from consent_service.delivery.mail import Knock, Letter
from consent_service.delivery.outbox import Message, Nothing
from consent_service.language import Language
from consent_service.staff import staff_accounts
from consent_service.staff.staff_accounts import INVITATION, RECOVERY
from consent_service.tokens import Tokens

KINDS = (INVITATION, RECOVERY)
PATHS = {INVITATION: "invitation", RECOVERY: "recovery"}


@dataclass(frozen=True)
class AccountLetters:
    """Writes them; `write(message, to, language, values)` makes a letter of a template."""

    write: Callable[[Message, str, Language, dict[str, Any]], Letter]
    public_url: str
    tokens: Tokens

    def load(self, connection: Connection, message: Message) -> Letter | Knock | Nothing:
        """Return the letter of a message of `KINDS`, Nothing when nobody is to get it any more.

        Whoever lost a password may have typed any address: its message takes the same way where there is no account.
        """
        account = staff_accounts.find(connection, message.staff_id) if message.staff_id else None
        if account is None or not account.active or bool(account.password) != (message.kind == RECOVERY):
            return Knock() if message.kind == RECOVERY else Nothing()
        language = languages.language(account.language)
        token = self.tokens.for_staff(message.kind, account.id, account.link_state)
        url = f"{self.public_url}/staff/{PATHS[message.kind]}/{token}?lang={language.code}"
        values = {"password_url": url, "login_url": f"{self.public_url}/staff/login?lang={language.code}"}
        return self.write(message, account.email, language, values)
