"""django-newsletter as its documentation sets it up in a new project of Django's, with mail by SMTP.

It keeps no evidence and forwards nothing. The database is written durably, and has a log of changes as ours has.

It is under the AGPL: only run beside ours, in an environment of its own that the bench makes, never shipped. Runs there
with nothing of ours but this file and `newsletter_urls`.
"""

from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import connection

SLUG, SENDER = "bench", "uutiskirje@keinuma.example"
APPS = ("admin", "auth", "contenttypes", "sessions", "messages", "staticfiles", "sites")
MIDDLEWARE = (
    "middleware.security.SecurityMiddleware",
    "contrib.sessions.middleware.SessionMiddleware",
    "middleware.common.CommonMiddleware",
    "middleware.csrf.CsrfViewMiddleware",
    "contrib.auth.middleware.AuthenticationMiddleware",
    "contrib.messages.middleware.MessageMiddleware",
    "middleware.clickjacking.XFrameOptionsMiddleware",
)
CONTEXT = ("django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
           "django.contrib.messages.context_processors.messages")  # fmt: skip


def make_app(database: str, smtp_url: str) -> Any:
    """Build the application in a worker."""
    configure(database, smtp_url)
    return get_wsgi_application()


def prepare(database: str, smtp_url: str) -> None:
    """Make the tables and one newsletter."""
    configure(database, smtp_url)
    django.setup()
    connection.cursor().execute("PRAGMA journal_mode=WAL")
    call_command("migrate", verbosity=0)
    from django.contrib.sites.models import Site  # models can be loaded after the set-up only
    from newsletter.models import Newsletter

    made = Newsletter.objects.create(title="Keinuma", slug=SLUG, email=SENDER, sender="Keinuma")
    made.site.set(Site.objects.all())


def configure(database: str, smtp_url: str) -> None:
    """Give Django its settings."""
    server = urlsplit(smtp_url)
    sqlite = {"timeout": 20, "transaction_mode": "IMMEDIATE"}  # or writers beside each other fail
    engine = {"ENGINE": "django.db.backends.sqlite3", "NAME": database, "OPTIONS": sqlite}
    settings.configure(
        SECRET_KEY="a key of the bench",  # noqa: S106 - of a database that is thrown away
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": engine},
        INSTALLED_APPS=[*(f"django.contrib.{app}" for app in APPS), "sorl.thumbnail", "newsletter"],
        MIDDLEWARE=[f"django.{one}" for one in MIDDLEWARE],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": [*CONTEXT]},
            }
        ],
        ROOT_URLCONF="bench.newsletter_urls",
        SITE_ID=1,
        USE_TZ=True,
        STATIC_URL="static/",
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        EMAIL_HOST=server.hostname,
        EMAIL_PORT=server.port,
        NEWSLETTER_THUMBNAIL="sorl-thumbnail",
        NEWSLETTER_USE_HTTPS=True,
    )
