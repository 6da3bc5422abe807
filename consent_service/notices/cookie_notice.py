"""What a visitor of the company's web site is told about cookies and asked: one source for banner, page and evidence.

The tools come from the controller file. `Notice.shown` holds every word that the banner can show, so that evidence
keeps what was read before a choice. Stores nothing and knows no browser.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cached_property
from hashlib import sha256
from typing import Any

from consent_service.controller import Controller, Cookie
from consent_service.language import Language, mark
from consent_service.notices.statements import ShownText

KIND = "cookies"
CHOICE = "consent_choice"  # the cookie on the company's site that remembers the choice
LASTS = timedelta(days=182)  # as long for a no as for a yes
NECESSARY, OPTIONAL = "necessary", ("statistics", "marketing")
CATEGORIES = {
    "necessary": (
        mark("Necessary"),
        mark("The site does not work without these, or you asked for what they do. They are always on."),
    ),
    "statistics": (mark("Statistics"), mark("These count visits, so that we learn what is read on our site.")),
    "marketing": (
        mark("Marketing"),
        mark("These note what you do on our site, so that we can write about it and advertise, and show social media."),
    ),
}
WORDS = {
    "title": mark("Cookies on our site"),
    "ask": mark(
        "May we use cookies that are not necessary (%(purposes)s)? They start only if you say yes. You can change your "
        "mind at any time: Cookie settings is at the end of every page."
    ),
    "all": mark("Accept all"),
    "necessary": mark("Only necessary"),
    "choose": mark("Choose yourself"),
    "more": mark("More about our cookies"),
    "settings": mark("Cookie settings"),
    "lasts": mark("Your choice holds for %(days)s days. We ask earlier only if what we use changes."),
    "tools": mark("What we use"),
    "save": mark("Save my choice"),
    "close": mark("Close"),
    "saved": mark("Your choice is saved."),
    "id": mark("The number of your choice. With it you can see and erase what is recorded of it:"),
    "elsewhere": mark("What should be here comes from another site and sets cookies. Accept to see it:"),
    "show": mark("Accept and show"),
}


@dataclass(frozen=True)
class Tool:
    """A tool as it is shown: what it is for, what else is told of it, and its cookies' names for deleting them."""

    name: str
    purpose: str
    facts: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Category:
    """A category as it is shown, with its tools."""

    key: str
    name: str
    says: str
    tools: tuple[Tool, ...]


@dataclass(frozen=True)
class Notice:
    """Everything that is told and asked in one language; `tools` names what is used, so that a change asks again."""

    language: str
    tools: str
    words: dict[str, str]
    categories: tuple[Category, ...]

    @property
    def optional(self) -> tuple[str, ...]:
        """The categories a visitor may accept."""
        return tuple(one.key for one in self.categories if one.key != NECESSARY)

    @cached_property
    def shown(self) -> ShownText:
        """Every word of it as it is kept for evidence."""
        return ShownText(KIND, self.language, ("\n\n".join(self._paragraphs()) + "\n").encode())

    def given(self) -> dict[str, Any]:
        """The same as plain values, for the script that shows it."""
        return {"lang": self.language, "version": self.shown.sha256, "tools": self.tools, "words": self.words} | {
            "categories": [asdict(one) for one in self.categories]
        }

    def _paragraphs(self) -> Iterator[str]:
        words = dict(self.words)
        yield f"# {words.pop('title')}"
        yield words.pop("ask")
        yield f"[{words.pop('all')}] [{words.pop('necessary')}]"
        for category in self.categories:
            yield f"## {category.name}"
            yield category.says
            yield from ("\n".join([f"### {one.name}", one.purpose, *one.facts]) for one in category.tools)
        yield "\n".join(words.values())
        yield self.tools


def notice(language: Language, controller: Controller) -> Notice:
    """Return what is told and asked today in a language."""
    categories = tuple(_categories(language, controller))
    purposes = ", ".join(one.name.lower() for one in categories if one.key != NECESSARY)
    words = {name: language.say(said, purposes=purposes, days=LASTS.days) for name, said in WORDS.items()}
    return Notice(language.code, tools_version(controller), words, categories)


def tools_version(controller: Controller) -> str:
    """Return what a yes or no is about, in 16 hex digits: it changes with the optional tools, never with a wording."""
    used = sorted(
        [one.category, one.name, one.provider, one.days, *one.names]
        for one in controller.cookie
        if one.category != NECESSARY
    )
    return sha256(json.dumps([controller.cookie_version, used]).encode()).hexdigest()[:16]


def _categories(language: Language, controller: Controller) -> Iterator[Category]:
    for key, (name, says) in CATEGORIES.items():
        tools = [_tool(language, one) for one in controller.cookie if one.category == key]
        if key == NECESSARY:
            tools.insert(0, _own(language, controller))
        if tools:
            yield Category(key, language.say(name), language.say(says), tuple(tools))


def _own(language: Language, controller: Controller) -> Tool:
    purpose = language.say("Remembers what you chose about cookies, whatever you chose.")
    facts = _facts(language, controller.name, LASTS.days, (CHOICE,), "")
    return Tool(language.say("Your choice about cookies"), purpose, facts, ())


def _tool(language: Language, one: Cookie) -> Tool:
    code = language.code
    third_parties = one.third_parties.get(code, "")  # type: ignore[call-overload]
    facts = _facts(language, one.provider, one.days, one.names, third_parties)
    return Tool(one.name, one.purpose[code], facts, one.names)  # type: ignore[index]


def _facts(language: Language, provider: str, days: int, names: tuple[str, ...], third_parties: str) -> tuple[str, ...]:
    say = language.say
    kept = language.count("one day", "%(number)s days", days) if days else say("until you close the browser")
    named = ", ".join(names) or say("set on the provider's own site")
    facts = [
        say("Provider: %(provider)s", provider=provider),
        say("Stays on your device: %(time)s", time=kept),
        say("Gets data too: %(third_parties)s", third_parties=third_parties) if third_parties else "",
        say("Cookies: %(names)s", names=named),
    ]
    return tuple(fact for fact in facts if fact)
