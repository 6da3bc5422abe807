"""What commands do before their own work, done once in the process they are forked from: it takes longer than the rest.

They read the languages, write the texts and compile the addresses; the first try alone does so itself.
"""

import gc

from consent_service.language import CODES, language
from consent_service.service import Service
from consent_service.web import create_app
from tests import made_once
from tests.household import CONTROLLER, settings

made_once.compile_addresses_once()
service = Service(settings("sqlite:///never.db"), CONTROLLER)
create_app(service)
for code in CODES:
    service.privacy_text(language(code))
gc.collect()
gc.freeze()  # or each of them would copy what the collector touches
