"""The calls of ActiveCampaign's bulk import: contacts are queued in one, and another tells what became of them."""

import re
import uuid
from typing import Any

from .activecampaign_account import Account
from .activecampaign_imports import Import, land
from .activecampaign_shapes import Answer

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
MOST, LARGEST = 250, 399_999


def bulk_import(account: Account, sent: Any, size: int) -> Answer:
    """Queue contacts, unless one of them is malformed: then none is."""
    imports, contacts = account.imports, sent.get("contacts")
    if imports.unavailable:
        return Answer(404, {"message": "No such call"})
    if imports.is_full():
        return _refused("Rate limit exceeded.", [])
    if not isinstance(contacts, list) or not 1 <= len(contacts) <= MOST or size > LARGEST:
        return _refused("JSON payload did not pass validation.", [])
    bad = [place for place, one in enumerate(contacts) if not EMAIL.fullmatch(str(one.get("email")))]
    if bad:
        reason = "Field 'email' incorrect format"
        named = [{"contact": place + imports.counts_from, "failureReason": reason} for place in bad]
        return _refused("JSON payload did not pass validation.", named if imports.names_the_bad else [])
    number = str(uuid.uuid4())
    imports.queue[number] = Import(contacts, imports.looks)
    told = {"Success": 1, "queued_contacts": len(contacts), "batchId": number, "message": "Contact import queued"}
    return Answer(200, told)


def info(account: Account, number: str) -> Answer:
    """Say how an import went, or that it is under way."""
    imports = account.imports
    if not number:
        return Answer(400, {"message": "batchId is missing"})
    queued = imports.queue.get(number)
    if queued is None or imports.loses_answers:
        return Answer(404, {"message": "No such batch"})
    if not queued.is_done and (imports.is_stuck or queued.looks > 0):
        queued.looks -= 1
        return Answer(200, {"status": "active", "success": [], "failure": []})
    land(account, queued)
    return Answer(200, {"status": "completed", "success": queued.success, "failure": queued.failure})


def _refused(message: str, reasons: list[dict[str, Any]]) -> Answer:
    return Answer(400, {"success": 0, "message": message, "failureReasons": reasons})
