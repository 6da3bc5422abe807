"""Everything behind the login of staff, each matter in a file of its own.

Every page asks for a login first, and for the role that `web.access` says; nothing here makes anybody active.
Contains no rule.
"""

from flask import Blueprint

from consent_service.web import access
from consent_service.web.console import (
    accounts,
    api_keys,
    binders,
    breaches,
    charts,
    connection,
    contact_messages,
    customer_documents,
    customer_exports,
    customer_imports,
    customer_merging,
    customer_rights,
    customers,
    data_request_acts,
    data_requests,
    my_account,
    overview,
    people,
    proof,
    publication_permissions,
    queue,
    records,
    retention,
    subscriber_rights,
    subscribers,
)

console = Blueprint("console", __name__, url_prefix="/staff")
console.before_request(access.guard)
console.after_request(access.note)
console.register_blueprint(overview.overview)
console.register_blueprint(subscribers.pages)
console.register_blueprint(queue.queue)
console.register_blueprint(subscriber_rights.subscriber_rights)
console.register_blueprint(connection.connection)
console.register_blueprint(api_keys.keys)
console.register_blueprint(contact_messages.contact_messages)
console.register_blueprint(accounts.accounts)
console.register_blueprint(my_account.my_account)
console.register_blueprint(proof.proof)
console.register_blueprint(customer_documents.customer_documents)
console.register_blueprint(publication_permissions.publication_permissions)
console.register_blueprint(binders.binders)
console.register_blueprint(data_requests.data_requests)
console.register_blueprint(data_request_acts.data_request_acts)
console.register_blueprint(customers.customers)
console.register_blueprint(customer_rights.customer_rights)
console.register_blueprint(customer_merging.customer_merging)
console.register_blueprint(charts.charts)
console.register_blueprint(people.people)
console.register_blueprint(retention.pages)
console.register_blueprint(records.records)
console.register_blueprint(breaches.breaches)
console.register_blueprint(customer_imports.customer_imports)
console.register_blueprint(customer_exports.customer_exports)
