"""Everything behind the login of staff, each matter in a file of its own.

Every page asks for a login first; nothing here makes anybody active. Contains no rule.
"""

from flask import Blueprint

from consent_service.web.accounts import require_login
from consent_service.web.console import (
    api_keys,
    connection,
    contact_messages,
    customer_exports,
    customer_imports,
    overview,
    queue,
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
console.register_blueprint(customer_imports.customer_imports)
console.register_blueprint(customer_exports.customer_exports)
