"""What the company uses data for and on what ground (GDPR articles 6 and 13(1)(c)), each purpose under its name.

The privacy statement and the records of processing say it in the same words. Says nothing the service does not do.
"""

from consent_service.language import Language
from consent_service.notices import privacy_customers


def purposes(language: Language) -> dict[str, str]:
    """Return what data is used for and on what ground, each under a name of its own."""
    return _newsletter_purposes(language) | _other_purposes(language) | privacy_customers.purposes(language.say)


def _newsletter_purposes(language: Language) -> dict[str, str]:
    say = language.say
    return {
        "newsletter": say(
            "Asking you to confirm and sending you the newsletter. Ground: your consent (General Data Protection "
            "Regulation, article 6(1)(a); Act on Electronic Communications Services 917/2014, section 200)."
        ),
        "customers_newsletter": say(
            "Sending you the newsletter if you are our customer and were on an earlier newsletter list of ours. It "
            "tells of services like those you bought from us. Ground: our legitimate interest in telling our customers "
            "of them (article 6(1)(f); Act on Electronic Communications Services 917/2014, section 200(3)). You may "
            "object at any time."
        ),
        "tracking": say(
            "Following which newsletters you open, which links in them you press and which of our web pages you visit, "
            "only if you have permitted it separately. Ground: your consent to just that (article 6(1)(a); Act on "
            "Electronic Communications Services 917/2014, section 205)."
        ),
    }


def _other_purposes(language: Language) -> dict[str, str]:
    say = language.say
    return {
        "proof": say(
            "Being able to show that you consented, and that we stopped when you asked. Ground: our legitimate "
            "interest, because by law we must be able to show it (articles 6(1)(f) and 7(1))."
        ),
        "contact": say(
            "Answering what you wrote with the contact form. Ground: our legitimate interest in answering whoever "
            "turns to us (article 6(1)(f)), or if it is about a service you have from us or would like, our contract "
            "with you (article 6(1)(b))."
        ),
        "safety": say(
            "Keeping robots and misuse away from the form, and messages you did not ask for away from you. Ground: our "
            "legitimate interest in a service that works and is safe (article 6(1)(f))."
        ),
        "cookies": _cookies(language),
        "refusals": say(
            "Knowing whom we may not write to any more. Ground: our legal obligation (articles 6(1)(c) and 21(3))."
        ),
        "rights": say(
            "Answering you when you use your rights. Ground: our legal obligation (articles 6(1)(c) and 12 to 22)."
        ),
    }


def _cookies(language: Language) -> str:
    return language.say(
        "Using on our web site what is not necessary there, only if you have accepted it. Ground: your consent "
        "(article 6(1)(a); Act on Electronic Communications Services 917/2014, section 205). What that is, and who "
        "gets data through it: [Cookies](/cookies)."
    )
