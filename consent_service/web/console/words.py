"""Words that several pages of staff share."""

from consent_service.language import mark

GROUPS = {"pending": mark("Unconfirmed"), "active": mark("Subscribing"), "passive": mark("Have left")}
LANGUAGES = {"fi": mark("Finnish"), "sv": mark("Swedish"), "en": mark("English")}

# What the log of access holds, for owners to read; what has no words of its own is said in general.
WHAT = {
    "looked": mark("Looked at a person's page"),
    "changed": mark("Changed something"),
    "entered": mark("Logged in"),
    "refused": mark("Was refused"),
    "login": mark("Logged in"),
    "second-step": mark("Gave a wrong code at the log-in"),
    "proof": mark("Gave a wrong password when asked once more"),
    "entrance.staff_invitation": mark("Accepted the invitation"),
    "entrance.staff_recovery": mark("Chose a new password"),
    "staff add": mark("Was added in the terminal"),
    "staff disable": mark("Was ended in the terminal"),
    "console.subscribers.show": mark("Looked at a subscriber"),
    "console.subscribers.add": mark("Added a subscriber"),
    "console.subscribers.show_evidence": mark("Opened the evidence sheet"),
    "console.rights.show_there": mark("Looked at what ActiveCampaign holds"),
    "console.rights.fetch_there": mark("Had fetched what ActiveCampaign holds"),
    "console.rights.hold": mark("Put on a legal hold"),
    "console.rights.release": mark("Lifted a legal hold"),
    "console.rights.show_erase": mark("Opened the page for erasing"),
    "console.rights.erase": mark("Erased a subscriber"),
    "console.contact_messages.show": mark("Read a contact message"),
    "console.contact_messages.show_erase": mark("Opened the page for erasing"),
    "console.contact_messages.close": mark("Closed a contact message"),
    "console.contact_messages.reopen": mark("Opened a contact message again"),
    "console.contact_messages.erase": mark("Erased a contact message"),
    "console.queue.retry": mark("Had a message tried again"),
    "console.queue.set_aside": mark("Set a message aside"),
    "console.connection.compare": mark("Had the list compared"),
    "console.connection.put_right": mark("Had the list put right"),
    "console.api_keys.make": mark("Made an API key"),
    "console.api_keys.disable": mark("Disabled an API key"),
    "console.accounts.show": mark("Looked at an account"),
    "console.accounts.show_change": mark("Opened a page for changing an account"),
    "console.accounts.invite": mark("Invited a colleague"),
    "console.accounts.invite_again": mark("Invited a colleague again"),
    "console.accounts.change_role": mark("Changed a role"),
    "console.accounts.end": mark("Ended an account"),
    "console.accounts.end_sessions": mark("Logged an account out everywhere"),
    "console.my_account.set_app": mark("Set up an authenticator app"),
    "console.my_account.remove_app": mark("Removed the authenticator app"),
    "console.my_account.make_codes": mark("Made new recovery codes"),
    "console.my_account.add_passkey": mark("Added a passkey"),
    "console.my_account.remove_passkey": mark("Removed a passkey"),
    "console.my_account.mail_link": mark("Asked for a link to set another password"),
}
