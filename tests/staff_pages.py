"""Every address under /staff, with somebody and something that exist behind it."""

from consent_service import api_keys
from consent_service import service as services
from consent_service.models.inbox import contact_message
from tests.actors import Visitor
from tests.furnished import furnish_register

HEIDI = "heidi@keinuma.example"


def is_open(rule):
    return rule.endpoint == "security.login" or rule.endpoint.startswith("entrance.")


def staff_pages(house):
    """Every address under /staff, with somebody and something that exist, and the methods it takes."""
    return addresses(house, furnish(house))


def furnish(house):
    """Put one of everything into the house; the ids by the names that addresses have for them."""
    key_id = api_keys.new_id()
    with house.service.transaction() as connection:
        api_keys.make(connection, key_id, "Kotisivut", frozenset({"read"}), "Heidi", services.now())
    Visitor(house, "kirjoittaja@example.com").write()
    [written], known = house.rows(contact_message), {"key_id": key_id, "run_id": 1}
    known |= {"subscriber_id": house.person("aino@example.com").id, "message_id": house.messages()[0].id}
    known |= furnish_register(house) | {"register": "customers", "name": "subscribers", "written_id": written.id}
    account = house.account(HEIDI)
    return known | {"account_id": account.id, "passkey_id": account.id, "change": "end"}


def addresses(house, known):
    """Every address under /staff with these ids, and the methods it takes."""
    known = known | {"key": known["customer_id"]}
    links = {"/staff/invitation/": ("staff_invitation", house.invited("uusi@keinuma.example"))}
    links["/staff/recovery/"] = ("staff_recovery", house.account(HEIDI))
    for rule in house.app.url_map.iter_rules():
        if rule.rule.startswith("/staff"):
            values = known | {"message_id": known["written_id"]} if "contact-messages" in rule.rule else known
            if "/retention/review/" in rule.rule:
                values = known | {"customer_id": known["passive_id"]}
            for path, (kind, whose) in links.items():
                if rule.rule.startswith(path):
                    values = known | {"token": house.service.tokens.for_staff(kind, whose.id, whose.link_state)}
            yield rule, rule.build({name: values[name] for name in rule.arguments})[1]
