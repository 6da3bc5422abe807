"""The privacy statement (GDPR articles 12 to 14), written from the controller file and the retention rules.

Its text is what evidence keeps and what `/privacy` shows: lines of `# heading`, `## heading`, `- item` and paragraphs,
with `[words](/page)` for a page of ours. Says nothing the service does not do. Reads no file, asks no database.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from consent_service.controller import Controller, Recipient
from consent_service.language import Language, mark
from consent_service.notices import privacy_customers as customers
from consent_service.notices import purposes
from consent_service.notices.statements import ShownText

KIND = "privacy"
TITLE, SECTION, ITEM = "# ", "## ", "### "
OMBUDSMAN_MAIL, OMBUDSMAN_PHONE = "tietosuoja@om.fi", "029 566 6700"
OMBUDSMAN = {
    "fi": "Tietosuojavaltuutetun toimisto, PL 800, 00531 Helsinki",
    "sv": "Dataombudsmannens byrå, PB 800, 00531 Helsingfors",
    "en": "Office of the Data Protection Ombudsman, P.O. Box 800, 00531 Helsinki, Finland",
}
OMBUDSMAN_PAGE = {
    "fi": "https://tietosuoja.fi",
    "sv": "https://tietosuoja.fi/sv",
    "en": "https://tietosuoja.fi/en",
}
TECHNICAL = {
    "truncated": mark(
        "The beginning of your IP address and the name of your browser at each of these moments, and what the mail "
        "server answered when we sent you the message to confirm. The service never stores the whole IP address."
    ),
    "full": mark(
        "Your IP address and the name of your browser at each of these moments, and what the mail server answered "
        "when we sent you the message to confirm."
    ),
    "none": mark(
        "The name of your browser at each of these moments, and what the mail server answered when we sent you the "
        "message to confirm. The service does not store your IP address."
    ),
}


class Kept(Protocol):
    """A rule of how long something is kept, as the retention table holds it; the texts are message ids."""

    @property
    def key(self) -> str:
        """Its short name."""

    @property
    def what(self) -> str:
        """What is kept."""

    @property
    def period(self) -> str:
        """For how long."""

    @property
    def why(self) -> str:
        """Why so long."""

    @property
    def after(self) -> timedelta | None:
        """The time in numbers, None where something else than time decides."""


@dataclass(frozen=True)
class Sources:
    """What the statement is written from; `evidence_ip` is how much of a network address evidence keeps."""

    controller: Controller
    rules: Sequence[Kept]
    evidence_ip: str


def statement(language: Language, sources: Sources) -> ShownText:
    """Return the statement of today in a language."""
    parts = [
        _title(language, sources.controller),
        _in_short(language, sources.controller),
        _who(language, sources.controller),
        _what(language, sources.evidence_ip),
        _what_for(language),
        _recipients(language, sources.controller),
        _how_long(language, sources),
        _rights(language, sources.controller),
        _objection(language, sources.controller),
        _complaint(language),
        _further(language, sources.controller),
    ]
    content = "\n\n".join(block for part in parts for block in part) + "\n"
    return ShownText(KIND, language.code, content.encode())


def _title(language: Language, controller: Controller) -> list[str]:
    possessive = controller.possessive[language.code]  # type: ignore[index]
    title = language.say("%(possessive)s privacy statement", possessive=possessive)
    return [TITLE + title, *_dates(language, controller)]


def _dates(language: Language, controller: Controller) -> list[str]:
    first, changed = controller.statement_first_published, controller.statement_changed
    if first is None or changed is None:
        return []
    days = {"first": language.day(first), "changed": language.day(changed)}
    return [language.say("First written on %(first)s, last changed on %(changed)s.", **days)]


def _in_short(language: Language, controller: Controller) -> list[str]:
    say, possessive = language.say, controller.possessive[language.code]  # type: ignore[index]
    others = ", ".join(f"{one.name} ({one.country[language.code]})" for one in controller.recipient)  # type: ignore[index]
    points = [
        say(
            "You get %(possessive)s newsletter only if you asked for it and confirmed it from your own e-mail.",
            possessive=possessive,
        ),
        say(
            "If you were on an earlier newsletter list of ours, you get it on the permission you gave then or because "
            "you are our customer, or we ask you first."
        ),
        say("For the newsletter we keep your name, your e-mail address and the proof of your consent."),
        say("If you are our customer, we also keep what we need to work with you and to send you invoices."),
        say(
            "You can stop at any time with the link at the end of every newsletter. We then erase your data within a "
            "year at the latest."
        ),
        say("You may see, correct, take with you and have erased what we know about you: [My data](/my-data)."),
    ]
    if others:
        points.insert(4, say("Besides us, the newsletter's data is handled by: %(others)s.", others=others))
    return [SECTION + say("In short"), _list(points)]


def _who(language: Language, controller: Controller) -> list[str]:
    say, country = language.say, controller.country[language.code]  # type: ignore[index]
    id_name = say("business id")
    address = f"{controller.street}, {controller.postal_code} {controller.city}, {country}"
    lines = [
        f"{controller.name}, {id_name} {controller.business_id}",
        address,
        *(filter(None, [controller.contact_email, controller.phone])),
    ]
    return [
        SECTION + say("Who is responsible for your data (the controller)"),
        _list(lines),
        say("Ask us about anything in this statement. You need no special form for it."),
    ]


def _what(language: Language, evidence_ip: str) -> list[str]:
    say = language.say
    points = [
        say("Your first name, your last name, your e-mail address and the language in which we write to you."),
        say("What you were asked, in which words and when, when you confirmed it, and when you left."),
        say("Why you left, if you told us."),
        say("Whether you have permitted us to follow what you read, in which words, and since when."),
        say("If you asked one of us to add you: who that was, and when and on what occasion you asked."),
        say(TECHNICAL[evidence_ip]),
        say(
            "If you were on an earlier newsletter list of ours: who brought your address over, from where and when, "
            "and what was known of your permission."
        ),
        say(
            "If you wrote to us with the contact form: your name, your e-mail address, your phone number if you gave "
            "it, what it is about, and your message."
        ),
        *customers.kept(say),
        say(
            "What you chose about the cookies of our web site and what you were told before, under a random number "
            "that is not joined to anything else here."
        ),
    ]
    return [
        SECTION + say("What we keep about you"),
        _list(points),
        say(
            "What concerns the newsletter and the contact form comes from you, or is noted when you use the service. "
            "You need not give us anything, but without a name and an e-mail address we cannot send you the newsletter "
            "or answer your message."
        ),
        customers.sources(say),
    ]


def _what_for(language: Language) -> list[str]:
    say = language.say
    return [
        SECTION + say("What we use it for, and on what ground"),
        _list(purposes.purposes(language).values()),
        say("In Finland the Data Protection Act (1050/2018) completes the Regulation."),
        say(
            "Your consent to the newsletter gives no permission to follow whether you open a newsletter or which links "
            "you press; for that we ask separately. You get the same newsletter whatever you answer, and you can take "
            "the permission back on the page [My data](/my-data). When you stop the newsletter, it ends too."
        ),
    ]


def _recipients(language: Language, controller: Controller) -> list[str]:
    say = language.say
    return [
        SECTION + say("Who else handles it"),
        say(
            "In our company only those people handle your data who need it for their work, each with a login of their "
            "own. We give it to nobody else without your permission, unless the law obliges us to."
        ),
        say("Outside our company it is handled only by these:"),
        *(block for one in controller.recipient for block in _recipient(language, one)),
        ITEM + say("Accounting"),
        _list(customers.accounting(say)),
    ]


def _recipient(language: Language, one: Recipient) -> list[str]:
    say, code = language.say, language.code
    facts = [
        say("Role: %(role)s", role=one.role[code]),  # type: ignore[index]
        say("What for: %(purpose)s", purpose=one.purpose[code]),  # type: ignore[index]
        say("Country: %(country)s", country=one.country[code]),  # type: ignore[index]
    ]
    if one.is_outside_eea and one.transfer_ground:
        ground = one.transfer_ground[code]  # type: ignore[index]
        facts.append(say("Outside the European Economic Area. Ground of the transfer: %(ground)s", ground=ground))
    return [ITEM + one.name, _list(facts)]


def _how_long(language: Language, sources: Sources) -> list[str]:
    say, days = language.say, sources.controller.backups_kept_days
    return [
        SECTION + say("How long we keep it"),
        say(
            "We keep nothing longer than this, unless we need it for a legal claim: then until the claim is settled "
            "(article 17(3)(e))."
        ),
        *(block for rule in sources.rules for block in _rule(language, rule)),
        ITEM + say("Backups"),
        backups(language, days),
    ]


def backups(language: Language, days: int) -> str:
    """Return how long what was erased may remain in a backup."""
    return language.count(
        "What has been erased may remain in a backup for one more day. Then the backup is deleted too. If a "
        "backup ever has to be restored, the erasures are done again before the service goes on.",
        "What has been erased may remain in a backup for %(number)s more days. Then the backup is deleted too. If "
        "a backup ever has to be restored, the erasures are done again before the service goes on.",
        days,
    )


def _rule(language: Language, rule: Kept) -> list[str]:
    say = language.say
    period, why = say("How long: %(period)s", period=say(rule.period)), say("Why? %(why)s", why=say(rule.why))
    return [ITEM + say(rule.what), _list([period, why])]


def _rights(language: Language, controller: Controller) -> list[str]:
    say = language.say
    points = [
        say("withdraw your consent, as easily as you gave it: [stop the newsletter](/unsubscribe) (article 7(3))"),
        say("see what we keep about you, and get a copy of it (article 15)"),
        say("have it corrected (article 16)"),
        say("have it erased (article 17)"),
        say("have its use restricted, so that we keep it but do nothing else with it (article 18)"),
        say("take what you gave us with you in a form that a computer can read (article 20)"),
        say("object to its use; more about that below (article 21)"),
    ]
    return [
        SECTION + say("Your rights"),
        say("You may at any time and free of charge"),
        _list(points),
        say("When you withdraw your consent, what we did with it before stays lawful."),
        say(
            "You can do most of this yourself on the page [My data](/my-data). It sends a link to your e-mail, so "
            "that nobody else gets in. Or write to us: %(contact)s. We answer within a month. If we cannot be sure "
            "who is asking, we may ask you to show that it is you.",
            contact=controller.contact_email,
        ),
    ]


def _objection(language: Language, controller: Controller) -> list[str]:
    say = language.say
    return [
        SECTION + say("Your right to object to direct marketing"),
        say(
            "You may at any time forbid us to use your data for direct marketing, and need not say why. We then never "
            "send you a newsletter again, whoever might add your address to the list. To hold to that we keep a "
            "fingerprint of your address: a code from which the address cannot be read, but by which we know it again."
        ),
        say("Do it on the page [My data](/my-data) or write to us: %(contact)s.", contact=controller.contact_email),
        say(
            "You may also object to what we do on the ground of our legitimate interest, for a reason that has to do "
            "with your own situation. Write to us about it."
        ),
    ]


def _complaint(language: Language) -> list[str]:
    say = language.say
    return [
        SECTION + say("If you are not content with us"),
        say(
            "You may tell us first, and we try to put it right. You may also at any time complain to the Data "
            "Protection Ombudsman, who supervises us."
        ),
        _list(
            [OMBUDSMAN[language.code], f"{OMBUDSMAN_MAIL}, {OMBUDSMAN_PHONE}", OMBUDSMAN_PAGE[language.code]],
        ),
    ]


def _further(language: Language, controller: Controller) -> list[str]:
    say = language.say
    return [
        SECTION + say("Further"),
        say(
            "No decision about you is made by a machine alone, and nobody draws a profile of you without your "
            "permission."
        ),
        security(language),
        say("The pages of this service set no cookies for you and load nothing from elsewhere."),
        say(
            "When we change this statement, we change its date, and the earlier versions stay readable. If we ever "
            "want to use your data for something new, we ask for your consent anew."
        ),
        customers.rights(say, controller.contact_email),
    ]


def security(language: Language) -> str:
    """Return how data is kept safe."""
    return language.say(
        "Between your browser and us your data travels encrypted, the proof of your consent is stored encrypted "
        "under a key of your own, and only our own people get in, with a password."
    )


def _list(points: Iterable[str]) -> str:
    return "\n".join(f"- {point}" for point in points)
