"""Everything behind the login of staff, each matter in a file of its own.

Every page asks for a login first; nothing here makes anybody active. Contains no rule.
"""

from flask import Blueprint

from consent_service.web.accounts import require_login
from consent_service.web.console import (
    api_keys,
    breaches,
    charts,
    connection,
    contact_messages,
    overview,
    people,
    queue,
    records,
    retention,
    rights,
    subscribers,
)

console = Blueprint("console", __name__, url_prefix="/staff")
console.before_request(require_login)
console.register_blueprint(overview.overview)
console.register_blueprint(subscribers.pages)
console.register_blueprint(queue.queue)
console.register_blueprint(rights.rights)
console.register_blueprint(connection.connection)
console.register_blueprint(api_keys.keys)
console.register_blueprint(contact_messages.contact_messages)
console.register_blueprint(charts.charts)
console.register_blueprint(people.people)
console.register_blueprint(retention.pages)
console.register_blueprint(records.records)
console.register_blueprint(breaches.breaches)
