"""What the privacy statement says of the customer register: what is kept, where it comes from, what for, who gets it.

Sentences for `privacy.py`, which puts them among the others. Says nothing the service does not do.
"""

from collections.abc import Callable

Say = Callable[..., str]


def kept(say: Say) -> list[str]:
    """What is kept of a customer."""
    return [
        say(
            "If you are our customer: your name, your customer number, your phone number, your address, your e-mail "
            "address, the language we speak with you, where we got these from, and notes that we need for the work."
        ),
        say(
            "If a company is our customer: its name and business id, its contact person, and its billing details; and "
            "the documents that belong to our agreement with you or your company."
        ),
    ]


def sources(say: Say) -> str:
    """Where it comes from (GDPR article 14(2)(f))."""
    return say(
        "What we know about you as our customer comes from you or from your employer: from a meeting, a contract, a "
        "phone call, a text message, an e-mail, a message in social media or the contact form. Without your name and a "
        "way to reach you we cannot make an agreement with you."
    )


def purposes(say: Say) -> dict[str, str]:
    """What it is used for, each with its ground, under a name."""
    return {
        "customer": say(
            "If you are our customer: keeping in touch, telling you of what concerns our work together, and doing what "
            "we have agreed on. Ground: our contract with you, or what you asked for before one (article 6(1)(b)); for "
            "the contact person of a company, our legitimate interest in working with the company (article 6(1)(f))."
        ),
        "accounting": say(
            "Invoicing, and keeping contracts and invoices as the law wants. Ground: our contract with you "
            "(article 6(1)(b)) and our legal obligation (article 6(1)(c); Accounting Act 1336/1997)."
        ),
        "relationship": say(
            "Looking after the customer relationship and developing it. Ground: our legitimate interest in serving our "
            "customers well (article 6(1)(f)). You may object. The newsletter is not part of it: you get that only "
            "with the permission told of above."
        ),
        "publication": say(
            "Publishing something of you, such as your picture or your words, where you have permitted it. Ground: "
            "your consent (article 6(1)(a)). You may take it back at any time."
        ),
    }


def accounting(say: Say) -> list[str]:
    """Who else gets it."""
    return [
        say("Who: whoever does our accounting, on our behalf and by our instructions"),
        say("What for: bookkeeping; gets the invoices of our customers and what belongs to them"),
        say("The tax administration and auditors may ask to see these, as the law says."),
    ]


def rights(say: Say, contact: str) -> str:
    """Where to ask for what the page of one's own data does not show."""
    return say(
        "What we know about you as our customer, and our letters and e-mails with you, are not shown on the page My "
        "data. Write to us about them: %(contact)s.",
        contact=contact,
    )
