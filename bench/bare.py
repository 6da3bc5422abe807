"""The yardstick: a double opt-in as anybody would write it, with no evidence, no queue and no second try.

Flask, one durable insert per step with the database's own driver, mail from a thread with smtplib, and the confirmed
person forwarded to ActiveCampaign with requests before the answer.
"""

import queue
import secrets
import smtplib
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any
from urllib.parse import urlsplit

import psycopg
import requests
from flask import Flask, abort, render_template, request

from bench.doubles import LIST_ID, TOKEN

ADDRESS = "https://bench.example"
TABLES = (
    "CREATE TABLE IF NOT EXISTS ask (token TEXT PRIMARY KEY, first_name TEXT, last_name TEXT, email TEXT, at TEXT)",
    "CREATE TABLE IF NOT EXISTS subscriber (email TEXT PRIMARY KEY, first_name TEXT, last_name TEXT, at TEXT)",
)
ASK = "INSERT INTO ask (token, first_name, last_name, email, at) VALUES (?, ?, ?, ?, ?)"
FIND = "SELECT first_name, last_name, email FROM ask WHERE token = ?"
CONFIRM = "INSERT INTO subscriber (email, first_name, last_name, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"


class Database:
    """A connection for each thread; every write is a durable transaction of its own."""

    def __init__(self, url: str):
        self._url, self._local = url, threading.local()

    def run(self, statement: str, *values: str) -> Any:
        """Run one statement and return its cursor."""
        if not hasattr(self._local, "connection"):
            self._local.connection = self._connect()
        return self._local.connection.execute(statement.replace("?", self._local.mark), values)

    def _connect(self) -> Any:
        if self._url.startswith("postgresql"):
            self._local.mark = "%s"
            return psycopg.connect(self._url, autocommit=True)
        self._local.mark = "?"
        connection = sqlite3.connect(urlsplit(self._url).path[1:], isolation_level=None, timeout=10)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        return connection


class Worker:
    """Mails from a thread, and forwards at once, over connections it keeps open."""

    def __init__(self, smtp_url: str, account_url: str):
        self._smtp, self._account = urlsplit(smtp_url), f"{account_url}/api/3"
        self._http = requests.Session()
        self._http.headers["Api-Token"] = TOKEN
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def mail(self, email: str, **values: str) -> None:
        """Send the mail soon."""
        mail = MIMEMultipart("alternative")
        mail["From"], mail["To"] = "Keinuma <uutiskirje@keinuma.example>", email
        mail["Subject"] = "Vahvista uutiskirjeen tilaus"
        mail.attach(MIMEText(render_template("mail.txt", **values), "plain", "utf-8"))
        mail.attach(MIMEText(render_template("mail.html", **values), "html", "utf-8"))
        self._jobs.put(lambda: self._send(email, mail.as_string()))

    def forward(self, email: str, first_name: str, last_name: str) -> None:
        """Put the person on the list."""
        contact = {"email": email, "firstName": first_name, "lastName": last_name}
        made = self._http.post(f"{self._account}/contact/sync", json={"contact": contact}, timeout=10).json()
        wanted = {"list": LIST_ID, "contact": made["contact"]["id"], "status": 1}
        self._http.post(f"{self._account}/contactLists", json={"contactList": wanted}, timeout=10).raise_for_status()

    def _work(self) -> None:
        self._server = smtplib.SMTP(self._smtp.hostname or "", self._smtp.port or 25)
        while True:
            self._jobs.get()()

    def _send(self, email: str, mail: str) -> None:
        self._server.sendmail("uutiskirje@keinuma.example", email, mail)


def prepare(database_url: str) -> None:
    """Make the tables."""
    database = Database(database_url)
    for table in TABLES:
        database.run(table)


def make_app(database_url: str, smtp_url: str, account_url: str) -> Flask:
    """Build the application in a worker."""
    app, database, worker = Flask(__name__), Database(database_url), Worker(smtp_url, account_url)

    @app.get("/healthz")
    def alive() -> str:
        return "ok"

    @app.get("/subscribe")
    def show_form() -> str:
        return render_template("form.html")

    @app.post("/subscribe")
    def subscribe() -> str:
        token, form = secrets.token_urlsafe(24), request.form
        first_name, last_name, email = (form[name].strip() for name in ("first_name", "last_name", "email"))
        if not (first_name and last_name and "@" in email and form.get("consent") == "yes"):
            abort(400)
        database.run(ASK, token, first_name, last_name, email, datetime.now(UTC).isoformat())
        worker.mail(email, name=first_name, link=f"{ADDRESS}/confirm/{token}")
        return render_template("sent.html", email=email)

    @app.get("/confirm/<token>")
    def show_button(token: str) -> str:
        return render_template("confirm.html", name=find(token)[0])

    @app.post("/confirm/<token>")
    def confirm(token: str) -> str:
        first_name, last_name, email = find(token)
        database.run(CONFIRM, email, first_name, last_name, datetime.now(UTC).isoformat())
        worker.forward(email, first_name, last_name)
        return render_template("confirmed.html", name=first_name)

    def find(token: str) -> Any:
        return database.run(FIND, token).fetchone() or abort(404)

    return app
