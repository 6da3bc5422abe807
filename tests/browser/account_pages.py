"""The states of the pages for accounts of staff and of whoever is not logged in yet, found as in places.py."""

from datetime import UTC, datetime

from consent_service import service as services
from consent_service.staff import second_steps, staff_accounts
from tests.actors import Staff
from tests.browser.guest import LONG_EMAIL, LONG_LAST, Guest
from tests.browser.houses import STAFF
from tests.browser.places import Place, place

ACCOUNTS: list[Place] = []
COLLEAGUE = LONG_EMAIL.format("colleague")


def _open(guest: Guest, path: str) -> Guest:
    guest.let_in(STAFF)
    return guest.open(f"/staff/{path}")


def _colleague(guest: Guest) -> str:
    """Somebody invited, with a long name and address; their id."""
    known = guest.house.account(COLLEAGUE)
    return (known or guest.house.invited(COLLEAGUE, LONG_LAST[:100])).id


def _link(guest: Guest, kind: str, email: str) -> str:
    account = guest.house.account(email)
    return guest.house.service.tokens.for_staff(kind, account.id, account.link_state)


@place(ACCOUNTS, "empty", repeats=True)
def accounts(guest: Guest) -> None:
    _colleague(guest)
    _open(guest, "accounts")


@place(ACCOUNTS, "empty")
def account_invite(guest: Guest) -> None:
    _open(guest, "accounts/invite")


@place(ACCOUNTS, "empty", is_wrong=True)
def account_invite_wrong(guest: Guest) -> None:
    _open(guest, "accounts/invite").press("Send the invitation")


@place(ACCOUNTS, "empty", repeats=True)
def account(guest: Guest) -> None:
    _open(guest, f"accounts/{guest.house.account(STAFF).id}")


@place(ACCOUNTS, "empty", repeats=True)
def account_invited(guest: Guest) -> None:
    _open(guest, f"accounts/{_colleague(guest)}?did=invited")


@place(ACCOUNTS, "empty", repeats=True)
def account_role(guest: Guest) -> None:
    _open(guest, f"accounts/{_colleague(guest)}/role")


@place(ACCOUNTS, "empty", repeats=True)
def account_end(guest: Guest) -> None:
    _open(guest, f"accounts/{_colleague(guest)}/end")


@place(ACCOUNTS, "empty", is_wrong=True)
def account_end_last_owner(guest: Guest) -> None:
    _open(guest, f"accounts/{guest.house.account(STAFF).id}/end").press("End the account")


@place(ACCOUNTS, "empty")
def my_account(guest: Guest) -> None:
    _open(guest, "my-account")


@place(ACCOUNTS, "empty")
def my_account_app(guest: Guest) -> None:
    _open(guest, "my-account/app")


@place(ACCOUNTS, "empty", is_wrong=True)
def my_account_app_wrong(guest: Guest) -> None:
    _open(guest, "my-account/app").write(code="000000").press("Set up the app")


@place(ACCOUNTS, "empty")
def my_account_codes(guest: Guest) -> None:
    """The codes of somebody who has them made anew."""
    email = "koodit@keinuma.example"
    if guest.house.account(email) is None:
        Staff(guest.house, email, "Kirsi Koodi", "reader")
    _with_app(guest, email)
    guest.log_in(email)
    guest.write(code=_recovery_code(guest, email)).press("Go on")
    guest.open("/staff/my-account").press("Make new codes")


@place(ACCOUNTS, "empty", repeats=True)
def my_account_passkey(guest: Guest) -> None:
    _open(guest, "my-account/passkey")


@place(ACCOUNTS, "empty", repeats=True)
def refused(guest: Guest) -> None:
    """What a reader sees who follows a link that is for owners."""
    email = "lukija@keinuma.example"
    if guest.house.account(email) is None:
        Staff(guest.house, email, LONG_LAST[:100], "reader")
    guest.log_in(email).open("/staff/accounts")


@place(ACCOUNTS, "empty")
def proof(guest: Guest) -> None:
    """A grave page, long after the log-in."""
    guest.let_in(STAFF)
    signer = guest.house.app.session_interface.get_signing_serializer(guest.house.app)
    [cookie] = [one for one in guest.tab.context.cookies() if one["name"] == "staff"]
    held = signer.loads(cookie["value"]) | {"proved_at": int(datetime.now(UTC).timestamp()) - 900}
    guest.tab.context.add_cookies([cookie | {"value": signer.dumps(held)}])
    guest.open("/staff/accounts/invite")


@place(ACCOUNTS, "empty")
def opened_before(guest: Guest) -> None:
    """A form sent long after the log-in."""
    _open(guest, "breaches/add").write(happened="Muistitikku katosi.\n\nSe oli salattu.", measures=LONG_LAST + " x")
    guest.tab.context.clear_cookies()
    guest.press("Save")


@place(ACCOUNTS, "empty")
def login_too_old(guest: Guest) -> None:
    guest.open("/staff/login").tab.context.clear_cookies()
    guest.write(email=STAFF, password="x").press("Log in")


@place(ACCOUNTS, "empty")
def second_step(guest: Guest) -> None:
    email = "vaihe@keinuma.example"
    if guest.house.account(email) is None:
        Staff(guest.house, email, "Veera Vaihe", "staff")
    _with_app(guest, email)
    guest.log_in(email)


@place(ACCOUNTS, "empty")
def recovery(guest: Guest) -> None:
    guest.open("/staff/recovery")


@place(ACCOUNTS, "empty", is_wrong=True)
def recovery_wrong(guest: Guest) -> None:
    guest.open("/staff/recovery").press("Send me the link")


@place(ACCOUNTS, "town", repeats=True)
def recovery_sent(guest: Guest) -> None:
    guest.open("/staff/recovery").write(email=f"{guest.code}.nobody@keinuma.example").press("Send me the link")


@place(ACCOUNTS, "empty")
def invitation(guest: Guest) -> None:
    _colleague(guest)
    guest.open(f"/staff/invitation/{_link(guest, staff_accounts.INVITATION, COLLEAGUE)}")


@place(ACCOUNTS, "empty", is_wrong=True)
def invitation_wrong(guest: Guest) -> None:
    invitation(guest)
    guest.write(password="lyhyt").press("Save the password")


@place(ACCOUNTS, "empty", repeats=True)
def recovery_password(guest: Guest) -> None:
    guest.open(f"/staff/recovery/{_link(guest, staff_accounts.RECOVERY, STAFF)}")


@place(ACCOUNTS, "empty")
def staff_link_dead(guest: Guest) -> None:
    guest.open("/staff/invitation/x")


def _with_app(guest: Guest, email: str) -> None:
    account, keys = guest.house.account(email), guest.house.settings.secret_keys
    with guest.house.service.transaction() as connection:
        sealed = second_steps.seal(keys, second_steps.new_secret(), account.id)
        second_steps.set_app(connection, account.id, sealed, int(services.now().timestamp()) // second_steps.STEP_S)


def _recovery_code(guest: Guest, email: str) -> str:
    with guest.house.service.transaction() as connection:
        return second_steps.new_codes(connection, guest.house.account(email).id)[0]
