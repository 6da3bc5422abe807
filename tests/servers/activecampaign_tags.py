"""Tags of an ActiveCampaign account and of its contacts, as API v3 answers about them.

A tag's name is unique whatever its case; what lies between a tag and a contact has an id of its own, by which it is
removed. Whether a search by name is heeded, how soon it finds a new tag, what a second tagging answers, and whether the
tags of a contact are its own only is not documented: switches of the account say.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .activecampaign_account import Account, Tag
from .activecampaign_held import TAGS, held_part
from .activecampaign_shapes import LINKS, Answer, message, refused

if TYPE_CHECKING:
    from .activecampaign_answers import Asked

PAGE, LARGEST_PAGE = 20, 100
STAMP = "2026-11-24T10:00:00-05:00"


def search_tags(account: Account, asked: Asked) -> Answer:
    """Return the tags whose names hold the words searched for."""
    words = "" if account.ignores_tag_search else asked.query.get("search", "").lower()
    latest = time.monotonic() - account.tag_search_delay_s
    found = [tag for tag in account.tags.values() if words in tag.name.lower() and tag.created_at <= latest]
    return _page(asked, "tags", [_tag_object(tag) for tag in found])


def one_tag(account: Account, asked: Asked) -> Answer:
    """Return one tag."""
    usual = Tag(asked.number, TAGS[asked.number]) if asked.number in TAGS else None
    tag = account.tags.get(asked.number) or usual
    return Answer(200, {"tag": _tag_object(tag)}) if tag else message(404, f"No Result found for Tag {asked.number}")


def create_tag(account: Account, asked: Asked) -> Answer:
    """Make a tag; a name that is known, in whatever case, is refused."""
    name = str(asked.part("tag").get("tag") or "").strip()
    if not name:
        return refused("Missing attribute", "missing", "/data/attributes/tag")
    if any(tag.name.lower() == name.lower() for tag in account.tags.values()):
        return Answer(422, {"errors": [{"title": "The tag already exists."}]})
    return Answer(201, {"tag": _tag_object(account.add_tag(name))})


def tag_contact(account: Account, asked: Asked) -> Answer:
    """Put a tag on a contact."""
    sent = asked.part("contactTag")
    if "contact" not in sent or "tag" not in sent:
        return refused("Missing attribute", "missing", "/data/attributes")
    contact, tag = account.by_id(sent["contact"]), account.tags.get(str(sent["tag"]))
    if contact is None or tag is None:
        detail = f"{'Contact' if contact is None else 'Tag'} not found"
        return Answer(404, {"errors": [{"status": 404, "title": "Not Found", "detail": detail}]})
    known = next((key for key, (one, its) in account.tagged.items() if (one, its) == (contact.id, tag.id)), None)
    if known and account.refuses_second_tagging:
        return Answer(422, {"errors": [{"title": "The contact already has this tag."}]})
    key = known or account.tag(contact.id, tag.id)
    return Answer(200 if known else 201, {"contactTag": _association(account, key) | {"contact": sent["contact"]}})


def contact_tags(account: Account, asked: Asked) -> Answer:
    """Return what tags a contact has; in an account where nobody has made any, the usual ones."""
    if not account.tags:
        return held_part(account, asked)
    if account.by_id(asked.number) is None:
        return message(404, f"No Result found for Subscriber with id {asked.number}")
    shown = [key for key, (one, _) in account.tagged.items() if account.mixes_contact_tags or one == asked.number]
    return _page(asked, "contactTags", [_association(account, key) for key in shown])


def untag_contact(account: Account, asked: Asked) -> Answer:
    """Take a tag off a contact, by the id of what lies between them."""
    if account.tagged.pop(asked.number, None) is None:
        return message(404, f"No Result found for SubscriberTag with id {asked.number}")
    account.changed.notify_all()
    return Answer(200, {})


def _page(asked: Asked, name: str, found: list[dict[str, Any]]) -> Answer:
    first, limit = int(asked.query.get("offset") or 0), min(int(asked.query.get("limit") or PAGE), LARGEST_PAGE)
    return Answer(200, {name: found[first : first + limit], "meta": {"total": str(len(found))}})


def _tag_object(tag: Tag) -> dict[str, Any]:
    links = {"contactGoalTags": f"{LINKS}/tags/{tag.id}/contactGoalTags"}
    return {"tagType": "contact", "tag": tag.name, "description": "", "cdate": STAMP, "links": links, "id": tag.id}


def _association(account: Account, key: str) -> dict[str, Any]:
    contact, tag = account.tagged[key]
    links = {"tag": f"{LINKS}/contactTags/{key}/tag", "contact": f"{LINKS}/contactTags/{key}/contact"}
    return {"contact": contact, "tag": tag, "cdate": STAMP, "links": links, "id": key}
