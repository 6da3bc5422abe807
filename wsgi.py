"""For a WSGI server of your own: `gunicorn wsgi:app`. The console script's `web` command does the same."""

from consent_service import config
from consent_service.service import Service
from consent_service.web import create_app

app = create_app(Service(*config.load()))
