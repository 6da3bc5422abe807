"""What the letters about a data subject's request say: that it came, that it takes longer, and the answer.

One wording for the mail and for paper, in the language of whoever asked. What stays and until when comes from the
retention table and from the documents themselves. Must not send anything.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row

from consent_service import language as languages
from consent_service.controller import Controller
from consent_service.delivery.mail import Letter
from consent_service.delivery.outbox import Message, Nothing
from consent_service.language import Language, day_of, mark
from consent_service.notices.privacy import OMBUDSMAN_PAGE, Kept
from consent_service.people import key_of
from consent_service.register import held
from consent_service.register.keeping import KINDS
from consent_service.rights import request_rows
from consent_service.rights.request_rows import (
    ANSWER,
    BEYOND,
    CLAIMS,
    DONE,
    EXCESSIVE,
    EXTENDED,
    IDENTITY,
    LAW,
    NAMES_RULE,
    OTHERS,
    PART,
    RECEIVED,
    REFUSED,
    RULE,
)
from consent_service.rights.request_tasks import (
    ACCESS,
    BACKUPS,
    DOCUMENTS,
    ERASE,
    NEWSLETTER,
    OBJECT,
    PLACES,
    PORTABILITY,
    RECTIFY,
    RESTRICT,
    THERE,
)

ABOUT_REQUEST = "data_request"  # of the mail; which letter it is, its row says
ASKED = {
    ACCESS: mark("You asked to see what we hold about you."),
    RECTIFY: mark("You asked us to correct your data."),
    ERASE: mark("You asked us to erase your data."),
    RESTRICT: mark("You asked us to restrict the use of your data."),
    PORTABILITY: mark("You asked for your data to take it along."),
    OBJECT: mark("You objected to marketing."),
}
ANSWERED = {
    ACCESS: mark("You get everything that we hold about you from us in one file, with an explanation in plain words."),
    RECTIFY: mark("We have corrected your data, and told those to whom we had passed it on."),
    ERASE: mark("We have gone through these places and erased what we found about you: %(places)s."),
    RESTRICT: mark(
        "We keep your data but do not use it until the restriction is lifted, and we tell you before we lift it. "
        "The newsletter does not come any more; to have it again, subscribe anew."
    ),
    PORTABILITY: mark("You get the data that you gave us in a file that other programs can read."),
    OBJECT: mark("We will never send you a newsletter or other marketing again."),
}
WHY_NOT = {
    LAW: mark("The law obliges us to keep some of your data (GDPR article 17(3)(b))."),
    CLAIMS: mark("We need the data for a legal claim (GDPR article 17(3)(e))."),
    OTHERS: mark("It would have told you about other people (GDPR article 15(4))."),
    BEYOND: mark("This right does not reach that data."),
    EXCESSIVE: mark("The request is manifestly unfounded or excessive (GDPR article 12(5))."),
    IDENTITY: mark("We could not make sure that it was you who asked (GDPR article 12(6))."),
}


@dataclass(frozen=True)
class Facts:
    """What a letter is made from; `done` are the places where something was done, `stays` the rules of what stays."""

    controller: Controller
    public_url: str
    kept: Mapping[str, Kept]
    done: Sequence[str]
    documents: Sequence[Any]
    stays: Sequence[str]


@dataclass(frozen=True)
class RequestLetter:
    """A letter in one language, without greeting and sender; `own_page` is where the person may do it themselves."""

    subject: str
    paragraphs: tuple[str, ...]
    own_page: str | None


@dataclass(frozen=True)
class RequestLetters:
    """Writes what goes to whoever made a request.

    `write(message, to, language, values)` makes a letter of a template; `kept` is the retention table by key;
    `staying(connection, email_key, now)` names the rules of what stays of somebody erased.
    """

    write: Callable[[Message, str, Language, dict[str, Any]], Letter]
    controller: Controller
    public_url: str
    kept: Mapping[str, Kept]
    staying: Callable[[Connection, str, datetime], Sequence[str]]

    def load(self, connection: Connection, message: Message, now: datetime) -> Letter | Nothing:
        """Return the letter of a message, Nothing when the request is gone or names nobody any more."""
        about = request_rows.letter_of(connection, message.key)
        request = request_rows.find(connection, about.request_number) if about else None
        if about is None or request is None or request.mail_to is None:
            return Nothing()
        letter = self.about(connection, request, about.kind, now)
        return self.write(message, request.mail_to, languages.language(request.language), {"letter": letter})

    def about(self, connection: Connection, request: Row[Any], kind: str, now: datetime) -> RequestLetter:
        """Return a letter about a request as it would be written now, for mail and for paper."""
        done = [task.place for task in request_rows.tasks(connection, request.number) if task.done_at]
        today, key = day_of(now), key_of(request.mail_to) if request.mail_to else ""
        documents = held.staying(connection, today, request.customer_id)
        without_page = ("erasure", "deleted_contact") if THERE in done else ("erasure",)
        stays = self.staying(connection, key, now) if NEWSLETTER in done else without_page
        facts = Facts(self.controller, self.public_url, self.kept, done, documents, stays)
        return compose(languages.language(request.language), kind, request, facts)


def compose(language: Language, kind: str, request: Any, facts: Facts) -> RequestLetter:
    """Return a letter about a request: `RECEIVED`, `EXTENDED` or `ANSWER`."""
    subject = {
        RECEIVED: mark("We have received your request (number %(number)s)"),
        EXTENDED: mark("We need more time for your request (number %(number)s)"),
        ANSWER: mark("Our answer to your request (number %(number)s)"),
    }[kind]
    write = {RECEIVED: _received, EXTENDED: _extended, ANSWER: _answer}[kind]
    paragraphs = (language.say(ASKED[request.kind]), *write(language, request, facts))
    by_themselves = kind == RECEIVED and request.subscriber_id is not None
    own_page = f"{facts.public_url}/my-data?lang={language.code}" if by_themselves else None
    return RequestLetter(language.say(subject, number=request.number), paragraphs, own_page)


def _received(language: Language, request: Any, facts: Facts) -> Iterator[str]:
    say, day = language.say, language.day
    yield say(
        "We received your request on %(received)s and answer it on %(due)s at the latest.",
        received=day(date.fromisoformat(request.received_on)),
        due=day(date.fromisoformat(request.due_on)),
    )
    yield say(
        "Before we hand out, change or erase anything, we make sure that it is you who asks. "
        "If we need something from you for that, we will tell you."
    )
    if request.subscriber_id:
        yield say("If it is about the newsletter, you can do it yourself at once on your own page.")
    yield say("If you did not ask for this, write to %(contact)s.", contact=facts.controller.contact_email)


def _extended(language: Language, request: Any, facts: Facts) -> Iterator[str]:
    yield language.say(
        "We will answer by %(until)s instead of %(due)s. The reason: %(reason)s",
        until=language.day(date.fromisoformat(request.extended_to)),
        due=language.day(date.fromisoformat(request.due_on)),
        reason=request.extension_reason,
    )
    yield _complaint(language)


def _answer(language: Language, request: Any, facts: Facts) -> Iterator[str]:
    say = language.say
    if request.outcome == REFUSED:
        yield say("We cannot do what you asked.")
    else:
        unsaid = (BACKUPS, DOCUMENTS) if facts.documents else (BACKUPS,)  # what stays is said further down
        places = ", ".join(_within(place, say(PLACES[place])) for place in facts.done if place not in unsaid)
        yield say(ANSWERED[request.kind], places=places) if request.kind == ERASE else say(ANSWERED[request.kind])
    if request.outcome == PART:
        yield say("But we could not do all of it.")
    if request.ground:
        yield say(WHY_NOT[request.ground])
    if request.answer:
        yield from filter(None, map(str.strip, request.answer.split("\n")))
    if request.kind == ERASE and request.outcome != REFUSED:
        yield from _staying(language, facts)
    if request.outcome != DONE:
        yield _complaint(language)
    yield say("This is what we keep of your request:")
    yield from _rules(language, facts, (NAMES_RULE, RULE))
    yield say("If you have questions, write to %(contact)s.", contact=facts.controller.contact_email)


def _within(place: str, name: str) -> str:
    """Return the name of a place as it stands within a sentence."""
    return name if place == THERE else name[0].lower() + name[1:]


def _staying(language: Language, facts: Facts) -> Iterator[str]:
    say = language.say
    yield say("Copies in backups end within %(days)s days.", days=facts.controller.backups_kept_days)
    if facts.documents:
        yield say(
            "These documents stay, because the law obliges us to keep them. They are used for nothing else, and are "
            "destroyed when their day has passed:"
        )
    for document in facts.documents:
        yield say(
            "%(what)s of %(day)s: kept until %(until)s.",
            what=say(KINDS[document.kind].name),
            day=language.day(date.fromisoformat(document.dated_on)),
            until=language.day(date.fromisoformat(document.keep_until)),
        )
    if facts.stays:
        yield say("This much stays, without your name and address:")
        yield from _rules(language, facts, facts.stays)


def _rules(language: Language, facts: Facts, keys: Sequence[str]) -> Iterator[str]:
    say = language.say
    for rule in (facts.kept[key] for key in keys):
        yield say(
            "%(what)s. Kept: %(period)s. Why? %(why)s", what=say(rule.what), period=say(rule.period), why=say(rule.why)
        )


def _complaint(language: Language) -> str:
    return language.say(
        "If you think that this is wrong, you may complain to the Data Protection Ombudsman (%(url)s) or go to court "
        "(GDPR articles 77 and 79).",
        url=OMBUDSMAN_PAGE[language.code].removeprefix("https://"),
    )
