"""Words for the messages of the outbox as staff see them: what each is, and why it was not delivered.

The outbox notes its reasons in English, for the log; what is not known here stays as it was noted. Changes nothing.
"""

import re

from consent_service.language import Language, mark

KINDS = {
    "confirmation": mark("Confirmation message"),
    "welcome": mark("Welcome and receipt"),
    "already": mark("“You already subscribe”"),
    "unsubscribe_link": mark("Unsubscribe link"),
    "my_data_link": mark("Link to one's own data"),
    "no_answer": mark("An answer to a form that is not sent"),
    "no_link": mark("A link that is not sent"),
    "list_data": mark("What is held of somebody on an earlier list"),
    "address_asked": mark("Notice of a new address"),
    "address_changed": mark("Notice to the former address"),
    "erased": mark("Answer about an erasure"),
    "contact": mark("A contact message to the owner"),
    "contact_more": mark("Notice to the owner that more contact messages wait"),
    "contact_data": mark("What is held of somebody who used the contact form"),
    "owner_held": mark("Notice to the owner"),
    "anchor": mark("The day's checkpoint to the owner"),
    "digest": mark("The week's digest to the owner"),
    "staff_invitation": mark("Invitation of a colleague"),
    "staff_recovery": mark("A colleague's link to set a new password"),
    "data_request": mark("Letter about a request"),
    "requests_due": mark("A request nearly due, to the owner"),
    "sync": mark("Update to ActiveCampaign"),
    "look": mark("A look at the status at ActiveCampaign"),
    "readdress": mark("New address to ActiveCampaign"),
    "delete": mark("Deletion at ActiveCampaign"),
    "bulk": mark("Result of a bulk import at ActiveCampaign"),
    "take-off": mark("A contact without permission off the list at ActiveCampaign"),
    "fetch": mark("Reading what ActiveCampaign holds"),
}
UNREADABLE = mark("ActiveCampaign's answer could not be understood.")
LIST_UNTOUCHED = mark("ActiveCampaign did not change the list as it was asked to.")
REASONS = {
    r"mail server refused the recipient: (?P<code>\d+)": mark("The mail server refused the recipient (%(code)s)."),
    r"mail server refused the message: (?P<code>\d+)": mark("The mail server refused the message (%(code)s)."),
    r"mail server refused the sender: (?P<code>\d+)": mark("The mail server refused our sender address (%(code)s)."),
    r"mail server offers no encryption, which the password needs": mark(
        "The mail server offers no encryption, so the password was not sent to it."
    ),
    r"mail server: (?P<error>\w+)": mark("No connection to the mail server (%(error)s)."),
    r"the service's own limit of confirmation mails is reached": mark(
        "The service has sent as many confirmation messages as it may for now."
    ),
    r"ActiveCampaign: (?P<error>\w+)": mark("No connection to ActiveCampaign (%(error)s)."),
    r"ActiveCampaign answered (?P<code>\d+( \(.*\))?)": mark("ActiveCampaign answered with an error: %(code)s."),
    r"ActiveCampaign did not take the .+ the list": LIST_UNTOUCHED,
    r"ActiveCampaign (did not put the tag on the contact|neither made the tag nor knows it)": mark(
        "ActiveCampaign did not set the tag as it was asked to."
    ),
    r"ActiveCampaign's answer .+": UNREADABLE,
    r"ActiveCampaign's search did not look for the address": UNREADABLE,
    r"not found yet; a contact just made may be found later": mark(
        "ActiveCampaign does not find the contact yet; one that has just been made may be found later."
    ),
    r"ActiveCampaign has not finished the import": mark("ActiveCampaign has not finished a bulk import yet."),
    r"ActiveCampaign takes no more imports for a minute": mark(
        "ActiveCampaign takes no more bulk imports for a minute."
    ),
    r"the bulk import does not take it": mark("A bulk import did not take this, so it is sent by itself."),
    r"changed before it could leave": mark("The person changed before this could leave; it is read anew."),
    r"an earlier contact with this address has to be deleted there first": mark(
        "ActiveCampaign has to delete an earlier contact with this address first."
    ),
    r"a contact with this address is being taken off the list there": mark(
        "ActiveCampaign has to take a contact with this address off the list first."
    ),
    r"ActiveCampaign lists everybody, whatever status is asked for": mark(
        "ActiveCampaign lists everybody, whatever it is asked for."
    ),
    r"ActiveCampaign does not list contacts( in the order asked for)?": mark(
        "ActiveCampaign does not list its contacts as it was asked to."
    ),
    r"the list does not exist at ActiveCampaign": mark("The list with the number that is set does not exist there."),
    r"stopped by hand": mark("Somebody stopped it in the terminal."),
    r"another comparison was begun": mark("Another comparison was begun instead."),
    r"the relay was stopped before its turn to call": mark("The relay was stopped before its turn."),
    r"tried without an end": mark("Every try was cut off before it ended."),
    r"unexpected (?P<error>\w+)": mark("Something went wrong in the service itself (%(error)s); the log says more."),
    r"delivered, but not recorded: (?P<error>\w+)": mark(
        "Delivered, but the service could not note it down (%(error)s)."
    ),
}


def reason(language: Language, told: str | None) -> str:
    """Return a reason noted in the outbox in words of a language; one that nobody knows, as it was noted."""
    for pattern, message in REASONS.items():
        if found := re.fullmatch(pattern, told or ""):
            return language.say(message, **found.groupdict())
    return told or ""
