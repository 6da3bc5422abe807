"""For a WSGI server of your own: `gunicorn wsgi:app`. It begins as the console script's `web` command does.

The server's settings are yours then: write no access log, since paths hold tokens. Each worker counts for `/metrics`
alone.
"""

from consent_service.commands import rotate, terminal
from consent_service.web import create_app

service = terminal.begin_service()
terminal.await_database(service)
rotate.note_use(service, "web")
service.engine.dispose()

app = create_app(service)
