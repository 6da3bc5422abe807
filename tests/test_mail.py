"""Handing letters to a mail server: what each of its answers means, and that nothing goes out in plain or twice.

What stands in the letters is told in test_letters.py.
"""

import contextlib
import socketserver
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from html import unescape

import pytest

from consent_service.delivery.mail import FolderMail, Letter, SmtpMail, as_bytes
from consent_service.delivery.outbox import Delivered, Rejected, Retry
from tests.servers.smtp import MailServer

AINO = "aino@example.com"
WRITTEN_AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
LETTER = Letter(
    key="0123456789abcdef" * 2,
    sender="Keinumä <uutiskirje@keinuma.example>",
    recipient=AINO,
    subject="Vahvista Keinuman uutiskirjeen tilaus, hyvä lukija, niin se alkaa tulla sinulle jo ensi viikolla",
    text="Hyvä lukija\n",
    html="<p>Hyvä lukija</p>\n",
    language="fi",
    written_at=WRITTEN_AT,
)


@contextlib.contextmanager
def sender_to(server: MailServer, query: str = ""):
    mail = SmtpMail(server.url + query)
    try:
        yield mail
    finally:
        mail.close()


@pytest.fixture(params=["several commands at once", "one by one"])
def mail(mail, request):
    """A mail server that takes commands together, as most do, and one that does not."""
    mail.pipelining = request.param != "one by one"
    return mail


@pytest.fixture
def out(mail):
    with sender_to(mail) as sender:
        yield sender


# What an answer means


def test_a_taken_letter_is_delivered_to_exactly_one_recipient(out, mail):
    assert out.deliver(LETTER) == Delivered("250")
    [got] = mail.mails
    assert (got.mail_from, got.recipients) == ("uutiskirje@keinuma.example", [AINO])


def test_one_connection_carries_many_letters(out, mail):
    for number in range(20):
        assert isinstance(out.deliver(replace(LETTER, key=f"{number:032x}")), Delivered)
    assert len({got.message["Message-ID"] for got in mail.mails}) == 20
    assert mail.connections == 1


@pytest.mark.parametrize(
    ("stage", "code", "text"),
    [
        ("connect", 421, "4.3.2 Closing"),
        ("connect", 450, "4.7.1 Greylisted"),
        ("connect", 554, "5.7.1 No service for you"),
        ("mail", 421, "4.3.2 Closing"),
        ("mail", 451, "4.3.0 Try later"),
        ("mail", 530, "5.7.0 Authentication required"),
        ("mail", 550, "5.7.1 Sender not allowed"),
        ("rcpt", 421, "4.7.0 Too many"),
        ("rcpt", 503, "5.5.1 Bad sequence"),
        ("rcpt", 530, "5.7.0 Authentication required"),
        ("data", 421, "4.3.2 Closing"),
        ("data", 503, "5.5.1 Bad sequence"),
    ],
)
def test_a_server_that_lets_nobody_through_kills_no_letter(out, mail, stage, code, text):
    mail.answer_next(stage, code, text)
    outcome = out.deliver(LETTER)
    assert isinstance(outcome, Retry)
    assert outcome.peer_down, "the next letter would fare no better"
    assert mail.mails == []
    assert out.deliver(LETTER) == Delivered("250")


@pytest.mark.parametrize(
    ("stage", "code", "text"),
    [
        ("rcpt", 450, "4.2.0 Greylisted"),
        ("rcpt", 452, "4.2.2 Mailbox full"),
        ("rcpt", 552, "5.2.2 Mailbox full"),
        ("rcpt", 554, "5.7.1 Relay access denied"),
        ("data", 451, "4.7.1 Try later"),
        ("data", 452, "4.3.1 Disk full"),
    ],
)
def test_an_answer_that_may_change_is_tried_again_without_stopping_the_others(out, mail, stage, code, text):
    mail.answer_next(stage, code, text)
    outcome = out.deliver(LETTER)
    assert isinstance(outcome, Retry)
    assert not outcome.peer_down
    assert str(code) in outcome.reason
    assert out.deliver(replace(LETTER, recipient="eero@example.com")) == Delivered("250")
    assert (len(mail.mails), mail.connections) == (1, 1)


@pytest.mark.parametrize(
    ("stage", "code", "text"),
    [
        ("rcpt", 501, "5.1.3 Bad recipient address syntax"),
        ("rcpt", 550, "5.1.1 No such user aino@example.com"),
        ("rcpt", 551, "5.1.6 User has moved"),
        ("rcpt", 553, "5.1.3 Mailbox name not allowed"),
        ("data", 550, "5.7.1 Looks like junk"),
        ("data", 552, "5.3.4 Too big"),
        ("data", 554, "5.6.0 Refused"),
    ],
)
def test_a_permanent_no_to_the_recipient_or_the_content_ends_the_letter(out, mail, stage, code, text):
    mail.answer_next(stage, code, text)
    outcome = out.deliver(LETTER)
    assert isinstance(outcome, Rejected)
    assert str(code) in outcome.reason
    assert "@" not in outcome.reason, "what staff and logs see holds no address"
    assert out.deliver(replace(LETTER, recipient="eero@example.com")) == Delivered("250")
    assert (len(mail.mails), mail.connections) == (1, 1)


def test_a_letter_refused_before_its_content_leaves_a_clean_line_behind():
    answers = {"DATA": ["554 5.5.1 No"], "MAIL": ["250 OK", "250 OK"]}
    with scripted(answers) as server, contextlib.closing(SmtpMail(server.url)) as out:
        assert isinstance(out.deliver(LETTER), Rejected)
        assert out.deliver(LETTER) == Delivered("250")
    verbs = [line.partition(" ")[0].upper() for line in server.heard]
    assert "RSET" in verbs[verbs.index("DATA") :][:2], "the transaction begun is given up before the next"


def test_a_server_that_waits_for_a_mail_to_nobody_gets_none():
    answers = {"EHLO": ["250-mail.test\r\n250 PIPELINING"] * 2, "RCPT": ["550 5.1.1 No such user"]}
    with scripted(answers) as server, contextlib.closing(SmtpMail(server.url)) as out:
        assert isinstance(out.deliver(LETTER), Rejected)
        assert out.deliver(LETTER) == Delivered("250")
    assert server.lines == 2


def test_a_line_of_one_dot_does_not_end_the_letter(out, mail):
    assert out.deliver(replace(LETTER, text="Ensin\n.\n..\nsitten\n")) == Delivered("250")
    [got] = mail.mails
    assert got.text.splitlines() == ["Ensin", ".", "..", "sitten"]


def test_a_server_that_says_it_hangs_up_an_idle_line_is_called_again():
    with scripted({"MAIL": ["250 Ok", "421 4.4.2 Idle"]}) as server, contextlib.closing(SmtpMail(server.url)) as out:
        assert out.deliver(LETTER) == Delivered("250")
        assert out.deliver(LETTER) == Delivered("250")
    assert server.lines == 2


# Lines that break


def test_an_idle_line_that_was_dropped_is_opened_again(out, mail):
    out.deliver(LETTER)
    mail.stop()
    mail.start()
    assert out.deliver(LETTER) == Delivered("250")
    assert mail.connections == 2


def test_nobody_listening_means_later(out, mail):
    mail.refuse_connections = True
    assert out.deliver(LETTER) == Retry("mail server: ConnectionRefusedError", peer_down=True)
    mail.refuse_connections = False
    assert out.deliver(LETTER) == Delivered("250")


def test_a_letter_whose_acceptance_got_lost_is_sent_again_as_the_same_letter(out, mail):
    mail.cut_after_accept()
    assert isinstance(out.deliver(LETTER), Retry)
    assert out.deliver(LETTER) == Delivered("250")
    first, second = mail.mails
    assert first.message["Message-ID"] == second.message["Message-ID"] == f"<{LETTER.key}@keinuma.example>"
    assert first.message["Date"] == second.message["Date"]


def test_a_line_cut_before_acceptance_loses_nothing(out, mail):
    mail.cut_before_accept()
    assert isinstance(out.deliver(LETTER), Retry)
    assert out.deliver(LETTER) == Delivered("250")
    assert len(mail.mails) == 1


def test_a_server_slower_than_ten_seconds_is_not_waited_for(out, mail):
    mail.delay_s = 15
    outcome = out.deliver(LETTER)
    assert isinstance(outcome, Retry)
    assert outcome.peer_down
    mail.delay_s = 0
    assert out.deliver(LETTER) == Delivered("250")
    assert len({got.message["Message-ID"] for got in mail.mails}) == 1


@pytest.mark.parametrize("verb", ["EHLO", "MAIL", "DATA"])
def test_a_server_that_never_comes_to_its_point_does_not_hold_the_others_up(verb):
    with scripted({verb: ["for ever"]}) as server, contextlib.closing(SmtpMail(server.url, patience_s=1)) as out:
        began = time.monotonic()
        outcome = out.deliver(LETTER)
        assert 0.9 < time.monotonic() - began < 3
        assert isinstance(outcome, Retry)
        assert outcome.peer_down
        assert out.deliver(LETTER) == Delivered("250"), "each delivery has its own time"


# Encryption and log-in


@pytest.fixture
def trusted(monkeypatch):
    """Make this process trust a test server's certificate, as an operator would."""
    return lambda server: monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate_path))


def test_encryption_is_used_when_offered_and_the_password_goes_through_it(trusted):
    with MailServer(auth=("keinuma", "p/a@:% s"), starttls=True) as server, sender_to(server) as out:
        trusted(server)
        assert out.deliver(LETTER) == Delivered("250")  # this server takes a password over TLS only
        assert len(server.mails) == 1


@pytest.mark.parametrize("query", ["", "?starttls=required"])
def test_a_certificate_nobody_vouches_for_is_refused(query):
    with MailServer(starttls=True) as server, sender_to(server, query) as out:
        outcome = out.deliver(LETTER)
        assert outcome == Retry("mail server: SSLCertVerificationError", peer_down=True)
        assert server.mails == []


def test_encryption_that_is_required_but_not_offered_means_later_never_plain(mail):
    with sender_to(mail, "?starttls=required") as out:
        assert out.deliver(LETTER) == Retry("mail server: SMTPNotSupportedError", peer_down=True)
    assert mail.mails == []


def test_encryption_that_is_offered_but_refused_means_later_never_plain():
    with scripted({"STARTTLS": ["454 4.7.0 Not now"]}) as server, contextlib.closing(SmtpMail(server.url)) as out:
        assert isinstance(out.deliver(LETTER), Retry)
    assert not [line for line in server.heard if line.upper().startswith(("MAIL", "AUTH"))]


def test_a_password_goes_to_another_machine_encrypted_or_not_at_all():
    outcomes = {}
    with scripted({"EHLO": ["250-mail.test\r\n250 AUTH PLAIN"] * 9}) as server:
        for where in ("u:p@127.1", "u:p@localhost", "u:p@127.0.0.1", "127.1"):  # 127.1 looks like another machine
            with contextlib.closing(SmtpMail(f"smtp://{where}:{server.server_address[1]}")) as out:
                outcomes[where] = out.deliver(LETTER)
    told = "mail server offers no encryption, which the password needs"
    assert outcomes.pop("u:p@127.1") == Retry(told, peer_down=True)
    assert list(outcomes.values()) == [Delivered("250")] * 3
    assert [line[:4] for line in server.heard if line[:4] in ("AUTH", "MAIL")] == ["AUTH", "MAIL"] * 2 + ["MAIL"]


def test_smtps_to_a_server_that_speaks_plain_sends_nothing(mail):
    with contextlib.closing(SmtpMail(f"smtps://127.0.0.1:{mail.port}")) as out:
        assert isinstance(out.deliver(LETTER), Retry)
    assert mail.mails == []


def test_a_wrong_password_kills_no_letter():
    with MailServer(auth=("keinuma", "right")) as server:
        for login in ("keinuma:wrong@", ""):
            with contextlib.closing(SmtpMail(f"smtp://{login}127.0.0.1:{server.port}")) as out:
                outcome = out.deliver(LETTER)
                assert isinstance(outcome, Retry)
                assert outcome.peer_down
        assert server.mails == []
        with sender_to(server) as out:
            assert out.deliver(LETTER) == Delivered("250")


# The letter as bytes


def test_names_outside_ascii_go_as_ascii_and_read_right(out, mail):
    out.deliver(LETTER)
    [got] = mail.mails
    assert got.data.isascii()
    assert got.message["From"].addresses[0].display_name == "Keinumä"
    assert got.message["From"].addresses[0].addr_spec == "uutiskirje@keinuma.example"
    assert got.message["Subject"] == LETTER.subject
    assert (got.text.split(), unescape(got.html).split()) == (LETTER.text.split(), LETTER.html.split())
    head = got.data.partition(b"\r\n\r\n")[0]
    encoded = [line for line in head.split(b"\r\n") if b"=?utf-8?" in line]
    assert max(map(len, encoded)) <= 76, "RFC 2047 section 2"


@pytest.mark.parametrize("letters", ["ä", "a ä", "aaaaaaaaaa,ä ", "“a”: b, å", "あ"])
def test_subjects_of_every_length_are_folded_and_come_back_whole(letters):
    for length in range(1, 200, 7):
        subject = (letters * length)[:length].strip() or "ä"
        head = as_bytes(replace(LETTER, subject=subject)).partition(b"\r\n\r\n")[0]
        assert message_from_bytes(head, policy=policy.default)["Subject"] == subject
        assert max(len(line) for line in head.split(b"\r\n") if b"=?utf-8?" in line) <= 76


@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("subject", ["Confirm{}Bcc: victim@example.com", "Vahvistä{}Bcc: v@example.com", "A{} folded"])
def test_a_line_break_in_the_subject_never_becomes_a_header(subject, line_break):
    with pytest.raises(ValueError):
        as_bytes(replace(LETTER, subject=subject.format(line_break)))


@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("field", ["sender", "recipient", "key", "language", "unsubscribe_url", "reply_to"])
def test_nor_does_one_anywhere_else(field, line_break):
    value = f"a@example.com{line_break}Bcc: victim@example.com"
    if field == "sender":
        value = f"Keinuma{line_break}Bcc: victim@example.com <a@example.com>"
    with contextlib.suppress(ValueError):
        content = as_bytes(replace(LETTER, **{field: value}))
        assert b"\nBcc" not in content
        assert b"\rBcc" not in content


def test_development_writes_the_same_bytes_into_a_folder(tmp_path):
    folder = FolderMail(tmp_path / "mail")
    for _ in range(2):
        assert isinstance(folder.deliver(LETTER), Delivered)
    [file] = (tmp_path / "mail").iterdir()
    assert file.name == f"{LETTER.key}.eml"
    assert f"Message-ID: {LETTER.message_id}\r\n".encode() in file.read_bytes()


# A server that follows a script, for answers no ordinary server gives


class _Desk(socketserver.StreamRequestHandler):
    def handle(self):
        script = self.server
        script.lines += 1
        self._say("220 mail.test")
        while line := self.rfile.readline().decode().strip():
            script.heard.append(line)
            verb = line.partition(" ")[0].upper()
            answer = script.answers[verb].pop(0) if script.answers.get(verb) else script.usual(verb)
            self._say(answer)
            if answer.startswith("354"):
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                self._say("250 OK")
            if verb == "QUIT" or answer.startswith("421"):
                return

    def _say_and_say(self):
        """One letter at a time, each well within any patience; ten seconds of it are enough for a test."""
        with contextlib.suppress(OSError):
            for _ in range(50):
                self.wfile.write(b"2")
                time.sleep(0.2)

    def _say(self, answer):
        if answer == "for ever":
            self._say_and_say()
        self.wfile.write(f"{answer}\r\n".encode())


class _Script(socketserver.ThreadingTCPServer):
    def __init__(self, answers):
        super().__init__(("127.0.0.1", 0), _Desk)
        self.answers, self.heard, self.lines = answers, [], 0
        self.url = f"smtp://127.0.0.1:{self.server_address[1]}"

    def usual(self, verb):
        offers = "250-mail.test\r\n250 STARTTLS" if "STARTTLS" in self.answers else "250 mail.test"
        return {"EHLO": offers, "AUTH": "235 2.7.0 Welcome", "DATA": "354 Go on", "QUIT": "221 Bye"}.get(verb, "250 OK")


@contextlib.contextmanager
def scripted(answers):
    """Serve these answers, verb by verb; every other command gets the usual one."""
    with _Script(answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
