"""Words that several pages of staff share."""

from consent_service.language import mark

GROUPS = {"pending": mark("Unconfirmed"), "active": mark("Subscribing"), "passive": mark("Have left")}
LANGUAGES = {"fi": mark("Finnish"), "sv": mark("Swedish"), "en": mark("English")}
