"""A person's consent as a record that other programs read: W3C DPV 2.3, fields of ISO/IEC TS 27560:2023, as JSON-LD.

Rendered from the consent events whenever it is asked for, never stored. Its context is a file of the package, written
into the record itself, so that nothing has to be fetched to read it. Must not tell what the events do not.
"""

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from consent_service import retention
from consent_service.asks import LINK_LIFETIME
from consent_service.config import PACKAGE
from consent_service.controller import Controller, Recipient
from consent_service.ledger import seal
from consent_service.ledger.seal import Payload
from consent_service.notices.privacy import OMBUDSMAN, OMBUDSMAN_PAGE
from consent_service.notices.statements import PURPOSE, TRACKING
from consent_service.rights.personal_data import HeldEvent, PersonalData

SCHEMA = "https://w3id.org/dpv/schema/dpv-27560#record-eu-gdpr"
CONTEXT = PACKAGE / "web" / "static" / "consent-record-context.jsonld"
CONTROLLER = "#controller"
RIGHTS = ("A7-3", "A15", "A16", "A17", "A18", "A20", "A21", "A77")
ASKED, GIVEN, RENEWED = "dpv:ConsentRequested", "dpv:ConsentGiven", "dpv:RenewedConsentGiven"
UNKNOWN = "dpv:ConsentUnknown"
REFUSED, WITHDRAWN, REVOKED = "dpv:ConsentRefused", "dpv:ConsentWithdrawn", "dpv:ConsentRevoked"
HOW = {
    "requested form": "the form on the controller's web site",
    "requested contact": "the box in the contact form on the controller's web site",
    "requested staff": "a request to the controller's staff",
    "requested link": "a link in a message of the controller",
    "requested my-data": "the person's own page",
    "requested api": "a form of another program of the controller's, which showed the text",
    "requested import": "a question of the controller to somebody on an earlier list",
    "imported import": "a claim of the controller about a permission given before this service; nothing was shown",
    "confirmed link": "a press of the button behind the mailed link",
    "withdrawn one-click": "the mail program's own button (RFC 8058)",
    "withdrawn link": "the link at the end of a newsletter",
    "withdrawn my-data": "the person's own page",
    "withdrawn api": "another program of the controller's, to which the person said it",
    "withdrawn activecampaign": "the unsubscribe link of the newsletter system, or its staff",
    "bounced activecampaign": "the mailbox refused the newsletter",
    "removed activecampaign": "the contact was gone from the newsletter system's list",
    "tracking_allowed my-data": "the person's own page",
    "tracking_withdrawn my-data": "the person's own page",
}


@dataclass(frozen=True)
class Standing:
    """How a consent stands before an event: asked for and not answered, given, or given at some time before."""

    is_asked: bool = False
    is_given: bool = False
    was_given: bool = False


@dataclass(frozen=True)
class Place:
    """Who keeps the record and where: the controller, and the address people use."""

    controller: Controller
    public_url: str


def compose(held: PersonalData, place: Place) -> dict[str, Any]:
    """Return the consent record of one person for the newsletter, and for being followed if it was ever permitted."""
    person, controller = held.person, place.controller
    tracked = _tracking_process(held, place)
    record = str(uuid.uuid5(uuid.UUID(person.id), PURPOSE))
    return {
        "@context": _context(),
        "@id": f"urn:uuid:{record}",
        "@type": "dpv:ConsentRecord",
        "dct:conformsTo": SCHEMA,
        "dct:identifier": record,
        "dct:created": seal.timestamp(held.gathered_at),
        "dct:language": person.language,
        "dpv:hasDataSubject": {"@type": ["dpv:DataSubject"], "@id": _person(held), "dct:identifier": person.id},
        "dpv:hasDataController": [_controller(controller)],
        "dpv:hasJurisdiction": ["loc:FI"],
        "dpv:hasApplicableLaw": ["legal-eu:law-GDPR"],
        "dpv:hasAuthority": {
            "@id": "legal-fi:DPA-FI",
            "dpv:hasName": OMBUDSMAN[person.language],
            "dpv:hasContact": OMBUDSMAN_PAGE[person.language],
        },
        "dpv:hasProcess": [_process(held, controller), *([tracked] if tracked else [])],
        "dpv:hasNotice": [_notice(event) for event in held.events if event.core["kind"] == "requested"],
        "dpv:hasConsentControl": [_control(place, "/unsubscribe")],
        "dpv:hasRight": [f"eu-gdpr:{article}" for article in RIGHTS],
        "dpv:hasConsentStatus": list(_states(held, _newsletter)),
    }


@cache
def _context() -> dict[str, Any]:
    context: dict[str, Any] = json.loads(CONTEXT.read_text("utf-8"))["@context"]
    return context


def _person(held: PersonalData) -> str:
    return f"urn:uuid:{held.person.id}"


def _controller(controller: Controller) -> dict[str, Any]:
    return {
        "@type": ["dpv:DataController"],
        "@id": CONTROLLER,
        "dct:identifier": controller.business_id,
        "dpv:hasName": controller.name,
        "dpv:hasAddress": f"{controller.street}, {controller.postal_code} {controller.city}",
        "dpv:hasContact": controller.contact_email,
    }


def _control(place: Place, path: str) -> dict[str, Any]:
    return {"@type": ["dpv:WithdrawConsent"], "dpv:isExercisedAt": f"{place.public_url}{path}"}


def _tracking_process(held: PersonalData, place: Place) -> dict[str, Any] | None:
    """The purpose that has a consent of its own, with its states; None when nobody ever permitted it."""
    states = list(_states(held, _tracking))
    if not states:
        return None
    purpose = {"@type": ["dpv:Purpose"], "skos:broader": "dpv:ServiceUsageAnalytics", "skos:prefLabel": TRACKING}
    own = {"dpv:hasConsentControl": [_control(place, "/my-data")], "dpv:hasConsentStatus": states}
    ground = {"dpv:hasLegalBasis": ["eu-gdpr:A6-1-a"]}
    return _process(held, place.controller) | {"dpv:hasPurpose": [purpose]} | ground | own


def _process(held: PersonalData, controller: Controller) -> dict[str, Any]:
    ask, person = held.agreed or held.first_ask, held.person
    return {
        "@type": ["dpv:Process"],
        "dpv:hasPurpose": [
            {"@type": ["dpv:Purpose"], "skos:broader": "dpv:DirectMarketing", "skos:prefLabel": PURPOSE}
        ],
        "log:purposeVersion": ask.purpose_version if ask else None,
        "dpv:hasLegalBasis": [_ground(held)],
        "dpv:hasPersonalData": [
            _data("pd:EmailAddress", person.email),
            _data("pd:Name", f"{person.first_name} {person.last_name}"),
        ],
        "dpv:hasDataSource": ["dpv:DataSubjectDataSource"],
        "dpv:hasProcessing": ["dpv:Collect", "dpv:Store", "dpv:Use", "dpv:Share"],
        "dpv:hasDataController": [CONTROLLER],
        "dpv:hasRecipient": [_recipient(one, person.language) for one in controller.recipient],
        "dpv:hasStorageCondition": [
            {"@type": ["dpv:StorageLocation"], "dpv:hasLocation": "loc:FI"},
            _kept_after_leaving(),
        ],
    }


def _ground(held: PersonalData) -> str:
    """Consent; of a customer who was brought over and has agreed to nothing since, a legitimate interest."""
    is_customer = held.agreed is None and held.imported is not None and held.imported.core["grade"] == "customer"
    return "eu-gdpr:A6-1-f" if is_customer else "eu-gdpr:A6-1-a"


def _kept_after_leaving() -> dict[str, Any]:
    after = retention.BY_KEY["passive"].after
    lasting = _duration("dpv:TemporalDuration", f"P{after.days}D") if after else None
    return {"@type": ["dpv:StorageDuration"], "dpv:hasDuration": lasting, "log:from": WITHDRAWN}


def _data(kind: str, value: str) -> dict[str, Any]:
    return {
        "@type": ["dpv:PersonalData"],
        "skos:broader": kind,
        "dpv:hasNecessity": "dpv:Required",
        "rdf:value": value,
    }


def _recipient(recipient: Recipient, language: str) -> dict[str, Any]:
    told = {"dpv:hasName": recipient.name, "log:country": recipient.country[language]}  # type: ignore[index]
    ground = recipient.transfer_ground.get(language) if recipient.transfer_ground else None  # type: ignore[call-overload]
    return {"@type": ["dpv:Recipient"]} | told | ({"log:transferGround": ground} if ground else {})


def _notice(event: HeldEvent) -> dict[str, Any]:
    return {
        "@type": ["dpv:ConsentNotice"],
        "dct:language": event.core["language"],
        "dct:date": seal.timestamp(event.at),
    } | {f"log:{kind}": sha256 for kind, sha256 in cast(dict[str, str], event.core["texts"]).items()}


def _states(held: PersonalData, read: Callable[[Payload, Standing], str | None]) -> Iterator[dict[str, Any]]:
    stands = Standing()
    for event in held.events:
        state = read(event.core, stands)
        if state is not None:
            yield _status(held, event, state)
            is_given = state in (GIVEN, RENEWED, UNKNOWN) or (stands.is_given and state == ASKED)
            was_given = stands.was_given or (is_given and state != UNKNOWN)
            stands = Standing(state == ASKED, is_given, was_given)


def _newsletter(core: Payload, stands: Standing) -> str | None:
    """What an event makes of the consent; only what is given lets anybody be written to, and an ask gives nothing."""
    match core["kind"]:
        case "requested":
            return ASKED
        case "imported":
            return UNKNOWN
        case "confirmed":
            return RENEWED if stands.was_given else GIVEN
        case "declined":
            # Of somebody subscribed it is a stranger who refuses a new address.
            return None if stands.is_given else REFUSED
        case "withdrawn" | "bounced" | "objected":
            return WITHDRAWN if stands.is_given else REFUSED
        case "removed":
            return REVOKED
    return None


def _tracking(core: Payload, stands: Standing) -> str | None:
    """What an event makes of the consent to be followed; it ends with the newsletter, and moves to a new address."""
    is_named, given = TRACKING in cast(dict[str, str], core.get("texts") or {}), RENEWED if stands.was_given else GIVEN
    ended = WITHDRAWN if stands.is_given else REFUSED if stands.is_asked else None
    match core["kind"]:
        case "requested":
            return ASKED if is_named else None
        case "confirmed" if "replaces" not in core:
            return given if is_named else ended
        case "tracking_allowed":
            return given
        case "declined":
            return None if stands.is_given else ended
        case "withdrawn" | "bounced" | "objected" | "tracking_withdrawn":
            return ended
        case "removed":
            return REVOKED if stands.is_given else None
    return None


def _status(held: PersonalData, event: HeldEvent, state: str) -> dict[str, Any]:
    lasting = _duration("dpv:UntilEventDuration", "until withdrawn, or a new version of the purpose")
    waiting = _duration("dpv:TemporalDuration", f"P{LINK_LIFETIME.days}D")
    is_given = state in (GIVEN, RENEWED)
    return {
        "@type": [state, "dpv:ExpressedConsent"] if is_given else [state],
        "dpv:isIndicatedBy": _person(held),
        "dpv:hasIndicationMethod": _how(event),
        "dpv:isIndicatedAtTime": event.core.get("since") or seal.timestamp(event.at),
        "dpv:hasDuration": waiting if state == ASKED else lasting,
        "log:event": event.id,
        "log:leafHash": base64.b64encode(event.leaf_hash).decode(),
        "log:index": event.log_index,
    }


def _how(event: HeldEvent) -> str:
    core = event.core
    way = "contact" if core["door"] == "contact" else core.get("source") or core["door"]
    how = HOW.get(f"{core['kind']} {way}", str(core["door"]))
    return f"{how}, {core['site']}" if "site" in core else how


def _duration(kind: str, value: str) -> dict[str, Any]:
    return {"@type": [kind], "rdf:value": value}
