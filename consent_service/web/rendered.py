"""Forms that prove which text they showed: a signed token in the page stands in for the CSRF cookie.

What came back is believed only as far as the token goes: which words were shown, in which language, and when. Contains
no page and no rule.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from flask import g, request
from sqlalchemy import Connection
from wtforms import HiddenField

from consent_service import asks
from consent_service import service as services
from consent_service.asks import Ask
from consent_service.language import CODES, language, mark
from consent_service.ledger import evidence
from consent_service.notices.statements import ShownText, Terms
from consent_service.tokens import FormTokenExpired, ShownForm, TokenRefused
from consent_service.web.forms import AddressField, VisitorForm
from consent_service.web.visitor import service

TOO_OLD = mark("The form had been open for too long. Check what you wrote and send it again.")


class RenderedForm(VisitorForm):
    """A form that carries its render token, which proves the text shown and stands in for the CSRF cookie."""

    csrf_token = HiddenField()


class AddressForm(RenderedForm):
    """One address, to which a link is mailed."""

    email = AddressField()


def consent_and_token() -> dict[str, Any]:
    """Today's consent text, with the render token of a form that shows it."""
    consent = service().consent_text(g.language)
    return {"consent": consent, "form_token": service().tokens.for_form(consent.shown.sha256, consent.language)}


def tracking_and_token() -> dict[str, Any]:
    """Today's text about tracking, with the render token of a form that shows it alone."""
    tracking = service().tracking_text(g.language)
    token = service().tokens.for_form(tracking.shown.sha256, tracking.language, tracking.shown.sha256)
    return {"tracking": tracking, "tracking_token": token}


def shown_form(form: RenderedForm) -> tuple[ShownForm | None, str | None]:
    """What the form showed, or None and what to tell the visitor."""
    shown = read_shown(form.csrf_token.data or "")
    return shown, None if shown else TOO_OLD


def shown_button() -> ShownForm | None:
    """What a page showed that has nothing to fill in but a button."""
    return read_shown(request.form.get("csrf_token", ""))


def text_of_button() -> str | None:
    """The text of such a page, by its SHA-256 (hex), however long it has been open; None when nothing proves it."""
    try:
        return service().tokens.read_form(request.form.get("csrf_token", "")).statement
    except FormTokenExpired as old:
        return old.shown.statement
    except TokenRefused:
        return None


def read_shown(token: str) -> ShownForm | None:
    """What a render token proves to have been shown, or None."""
    try:
        shown = service().tokens.read_form(token)
    except (TokenRefused, FormTokenExpired):
        return None
    return shown if shown.language in CODES else None


def shown_terms(connection: Connection, shown: ShownForm, *, with_tracking: bool = False) -> Terms | None:
    """Today's terms with the text in the render token: today's, or one kept from before, if its purpose is today's.

    `with_tracking` says that the box beside the other text was ticked as well.
    """
    tracking = shown_tracking(connection, shown) if with_tracking else None
    terms = _shown_consent(connection, shown)
    if terms is None or (with_tracking and tracking is None):
        return None
    return replace(terms, tracking=tracking)


def shown_tracking(connection: Connection, shown: ShownForm) -> ShownText | None:
    """The text about tracking that a form showed: today's, or one kept from before."""
    today = service().tracking_text(language(shown.language)).shown
    if shown.tracking is None or shown.tracking == today.sha256:
        return today if shown.tracking else None
    kept = evidence.kept_text(connection, shown.tracking)
    return kept if kept and kept.kind == today.kind else None


def _shown_consent(connection: Connection, shown: ShownForm) -> Terms | None:
    today = service().terms(language(shown.language))
    if today.consent.sha256 == shown.statement:
        return today
    if not asks.was_asked_on(connection, shown.statement, today.purpose_version):
        return None
    kept = evidence.kept_text(connection, shown.statement)
    return replace(today, consent=kept) if kept else None


def ask_of(form: RenderedForm, shown: ShownForm, terms: Terms) -> Ask:
    """The ask that a valid form with a name and an address makes, on the terms it showed."""
    return Ask(
        address=form["email"].address,
        first_name=form["first_name"].data,
        last_name=form["last_name"].data,
        language=shown.language,
        terms=terms,
        site=shown.site,
    )


def handed_back_at(form: RenderedForm) -> datetime:
    """When a form counts as shown that is handed back with a new token.

    If it was one of ours it has been filled in already, and may come back at once without being taken for a robot's.
    """
    try:
        service().tokens.read_form(form.csrf_token.data or "")
    except TokenRefused:
        return services.now()
    except FormTokenExpired:
        pass
    return services.now() - timedelta(seconds=service().settings.form_min_s)


def is_robot(shown: ShownForm) -> bool:
    """Whether a form came back faster than anybody can fill it in."""
    return services.now() - shown.shown_at < timedelta(seconds=service().settings.form_min_s)
