"""The texts a person is shown when asked for consent, each known by the SHA-256 of its exact bytes.

What the form says and what the evidence says was shown come from the same object. Guesses no consent, stores nothing.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256

from consent_service.controller import Controller
from consent_service.language import Language, mark

PURPOSE, TRACKING = "newsletter", "tracking"
IMPORT = "import"  # the kind of text that was never shown: what was claimed of somebody on an earlier list
CHANNELS = {
    "meeting": mark("a meeting"),
    "phone": mark("a phone call"),
    "text_message": mark("a text message"),
    "email": mark("an e-mail"),
    "social_media": mark("a social media message"),
    "paper": mark("a paper form"),
    "other": mark("another way"),
}

DOORS = {
    "form": mark("the form on the web site"),
    "contact": mark("the contact form"),
    "link": mark("a link in an e-mail"),
    "confirm-link": mark("a link in an e-mail"),
    "one-click": mark("the button of the mail program"),
    "my-data": mark("the person's own page"),
    "activecampaign": mark("ActiveCampaign, where the newsletter leaves from"),
    "console": mark("the staff pages"),
    "api": mark("another program of the company"),
    "terminal": mark("the command line of the service"),
    "restore": mark("a backup that was put back"),
    "relay": mark("the service itself"),
}
SHOWN = {
    "consent": mark("The consent text shown"),
    "tracking": mark("The text about following what is read"),
    "privacy": mark("The privacy statement of that time"),
    "mail": mark("The confirmation message"),
    "confirm": mark("The confirmation page"),
    IMPORT: mark("What was claimed when the subscription was brought over"),
}
CLAIMS = {
    "double-opt-in": mark("a subscription confirmed elsewhere with a link in a message (double opt-in)"),
    "paper-form": mark("a signed paper form"),
    "customer": mark("a customer relationship"),
}
ORIGINS = {"activecampaign": mark("from ActiveCampaign"), "file": mark("from a file")}
LEAVING_REASONS = {
    "too_many": mark("There were too many messages"),
    "not_for_me": mark("The content was not for me"),
    "never_asked": mark("I do not remember subscribing"),
    "other": mark("Another reason"),
}


@dataclass(frozen=True)
class ShownText:
    """The exact bytes (UTF-8) of a text, its kind (a key of `SHOWN`), its language."""

    kind: str
    language: str
    content: bytes

    @cached_property
    def sha256(self) -> str:
        """The address of the text: the SHA-256 of its bytes, in hex."""
        return sha256(self.content).hexdigest()


@dataclass(frozen=True)
class ConsentText:
    """What stands beside a box on every form that asks: the sentence agreed to, and how the data is used."""

    language: str
    sentence: str
    privacy: str
    kind: str = "consent"

    @cached_property
    def shown(self) -> ShownText:
        """The text as it is kept for evidence."""
        return ShownText(self.kind, self.language, f"{self.sentence}\n\n{self.privacy}\n".encode())


@dataclass(frozen=True)
class Terms:
    """What a person is asked on: the consent text, the privacy statement of that time, the purpose's version.

    `tracking` is the text of the other consent on the form, if they ticked its box too.
    """

    consent: ShownText
    privacy: ShownText
    purpose_version: int
    tracking: ShownText | None = None

    @property
    def shown(self) -> dict[str, ShownText]:
        """What was shown, by the name under which evidence tells it."""
        texts = {"consent": self.consent, "privacy": self.privacy}
        return texts | {TRACKING: self.tracking} if self.tracking else texts


def consent(language: Language, controller: Controller) -> ConsentText:
    """Return the consent text of the newsletter (GDPR articles 7(2) and 13)."""
    possessive = controller.possessive[language.code]  # type: ignore[index]
    return ConsentText(
        language.code,
        language.say("Yes, please send %(possessive)s newsletter to my e-mail.", possessive=possessive),
        language.say(
            "%(name)s uses your name and e-mail address only to send the newsletter. It goes out through "
            "ActiveCampaign in the United States. You can stop at any time with the link at the end of every "
            "newsletter.",
            name=controller.name,
        ),
    )


def tracking(language: Language, controller: Controller) -> ConsentText:
    """Return the text of the consent to follow what a subscriber reads, one of its own (GDPR article 7(2) and (4))."""
    possessive = controller.possessive[language.code]  # type: ignore[index]
    return ConsentText(
        language.code,
        language.say(
            "You may also follow what I read: which newsletters I open, which links in them I press and which of "
            "%(possessive)s web pages I visit.",
            possessive=possessive,
        ),
        language.say(
            "This is voluntary, and you get the same newsletter without it. %(name)s uses it to learn what interests "
            "the readers and to write about that. ActiveCampaign in the United States records it beside your name. "
            "You can take the permission back at any time on the page My data; the newsletter goes on.",
            name=controller.name,
        ),
        TRACKING,
    )


def kept_consent(kept: ShownText) -> ConsentText:
    """Return a consent text as it was shown and kept, whatever the text of today is."""
    sentence, _, privacy = kept.content.decode().rstrip("\n").partition("\n\n")
    return ConsentText(kept.language, sentence, privacy, kept.kind)


@lru_cache(64)  # the same few texts for everybody
def confirm(
    language: Language, asked: ConsentText, tracking: ConsentText | None = None, *, is_move: bool = False
) -> ShownText:
    """Return the text of the page on which a person confirms what they were asked, or that a new address is theirs."""
    title, button = language.say("Confirm your subscription"), language.say("Confirm the subscription")
    if is_move:
        title, button = language.say("Confirm your new address"), language.say("Confirm the address")
    content = f"{title}\n\n{asked.sentence}\n\n[{button}]\n\n{asked.privacy}\n"
    if tracking is not None:
        both, only = language.say("Confirm both"), language.say("Confirm only the newsletter")
        second = f"{language.say('You also ticked this:')}\n\n{tracking.sentence}\n\n{tracking.privacy}"
        content = f"{title}\n\n{asked.sentence}\n\n{asked.privacy}\n\n{second}\n\n[{both}]\n\n[{only}]\n"
    return ShownText("confirm", language.code, content.encode())


def imported(language: Language, controller: Controller, origin: str, grade: str) -> ShownText:
    """Return what the evidence of somebody brought over from an earlier list rests on: a claim, and no text shown."""
    say = language.say
    paragraphs = [
        say(
            "This subscription was brought over to %(name)s's new newsletter service from an earlier list.",
            name=controller.name,
        ),
        say("Where it comes from: %(origin)s.", origin=say(ORIGINS[origin])),
        say("What is claimed: %(claim)s.", claim=say(CLAIMS[grade])),
        say(
            "That is the word of whoever brought the list over. This service has shown the subscriber no text, and "
            "nothing has been confirmed to it."
        ),
    ]
    if origin == "activecampaign":
        paragraphs.insert(
            3, say("If a day is given with it and no other is known, it is the one the contact was made.")
        )
    return ShownText(IMPORT, language.code, ("\n\n".join(paragraphs) + "\n").encode())
