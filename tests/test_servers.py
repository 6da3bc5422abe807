"""The mail server of the tests does what it promises, seen from an ordinary client over real sockets.

Its sibling, the ActiveCampaign server, is tried in servers/test_activecampaign.py.
"""

import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest

from tests.servers.smtp import MailServer

ANNA = "anna@example.fi"


def mail(to: str = ANNA, subject: str = "Vahvista tilaus") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "list@example.fi", to, subject
    message.set_content("Hyvä lukija, vahvista: https://example.fi/c/a-b_c. Kiitos (https://example.fi/x?y=1)!\n")
    message.add_alternative("<p>Hyvä <b>lukija</b></p>", subtype="html")
    return message


def client(server: MailServer, timeout: float = 5) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", server.port, timeout=timeout)


def send(server: MailServer, timeout: float = 5) -> None:
    with client(server, timeout) as line:
        line.send_message(mail())


@pytest.fixture
def smtp() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


class TestMailServer:
    def test_keeps_envelope_content_and_links(self, smtp: MailServer) -> None:
        before = time.monotonic()
        send(smtp)
        (got,) = smtp.wait_for(1)
        assert (got.mail_from, got.recipients) == ("list@example.fi", [ANNA])
        assert got.message["Subject"] == "Vahvista tilaus"
        assert got.text.startswith("Hyvä lukija") and "<b>lukija</b>" in got.html
        assert got.links == ["https://example.fi/c/a-b_c", "https://example.fi/x?y=1"]
        assert before <= got.at <= time.monotonic()
        assert smtp.to("Anna@Example.fi") == [got] and smtp.to("other@example.fi") == []
        assert smtp.url == f"smtp://127.0.0.1:{smtp.port}"

    def test_waiting_in_vain_tells_what_came(self, smtp: MailServer) -> None:
        send(smtp)
        with pytest.raises(AssertionError, match=r"expected 2 mails .* received 1: 'Vahvista tilaus' to anna@"):
            smtp.wait_for(2, timeout=0.05)

    def test_one_line_carries_many_mails(self, smtp: MailServer) -> None:
        with client(smtp) as line:
            for number in range(50):
                line.send_message(mail(f"p{number}@example.fi"))
        assert len(smtp.wait_for(50)) == 50
        assert smtp.connections == 1

    def test_many_senders_at_once(self, smtp: MailServer) -> None:
        threads = [threading.Thread(target=send, args=(smtp,)) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(smtp.mails) == smtp.connections == 10

    @pytest.mark.parametrize(
        ("stage", "error"),
        [
            ("connect", smtplib.SMTPConnectError),
            ("mail", smtplib.SMTPSenderRefused),
            ("rcpt", smtplib.SMTPRecipientsRefused),
            ("data", smtplib.SMTPDataError),
        ],
    )
    def test_refuses_so_often_as_ordered(self, smtp: MailServer, stage: Any, error: type[Exception]) -> None:
        smtp.answer_next(stage, 451, "4.3.0 Try later", times=2)
        for _ in range(2):
            with pytest.raises(error, match="Try later"):
                send(smtp)
        send(smtp)
        assert len(smtp.mails) == 1

    def test_refused_recipient_does_not_spoil_the_line(self, smtp: MailServer) -> None:
        smtp.answer_next("rcpt", 550, "5.1.1 No such user")
        with client(smtp) as line:
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                line.send_message(mail("nobody@example.fi"))
            line.send_message(mail())
        assert [one.recipients for one in smtp.mails] == [[ANNA]]
        assert smtp.connections == 1

    def test_421_closes_the_line(self, smtp: MailServer) -> None:
        smtp.answer_next("mail", 421, "4.3.2 Shutting down")
        with client(smtp) as line:
            line.ehlo()
            assert line.mail("list@example.fi")[0] == 421
            with pytest.raises(smtplib.SMTPServerDisconnected):
                line.noop()

    def test_unknown_stage_is_a_mistake(self, smtp: MailServer) -> None:
        with pytest.raises(ValueError):
            smtp.answer_next("body", 451, "no")  # type: ignore[arg-type]

    def test_cut_after_accept_stores_the_mail(self, smtp: MailServer) -> None:
        smtp.cut_after_accept()
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(smtp)
        assert len(smtp.mails) == 1
        send(smtp)
        assert len(smtp.mails) == 2

    def test_cut_before_accept_stores_nothing(self, smtp: MailServer) -> None:
        smtp.cut_before_accept()
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(smtp)
        assert smtp.mails == []
        send(smtp)
        assert len(smtp.mails) == 1

    def test_slow_answer_comes_after_storing(self, smtp: MailServer) -> None:
        smtp.delay_s = 0.3
        with pytest.raises((TimeoutError, smtplib.SMTPServerDisconnected)):
            send(smtp, timeout=0.1)
        assert len(smtp.wait_for(1)) == 1
        before = time.monotonic()
        send(smtp)
        assert time.monotonic() - before >= 0.3

    def test_is_down_and_comes_back_under_the_same_url(self, smtp: MailServer) -> None:
        url = smtp.url
        send(smtp)
        line = client(smtp)
        smtp.refuse_connections = True
        assert smtp.refuse_connections
        with pytest.raises(smtplib.SMTPServerDisconnected):
            line.noop()
        line.close()
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                send(smtp)
        smtp.refuse_connections = False
        send(smtp)
        assert smtp.url == url and len(smtp.mails) == 2

    def test_keeps_its_port_while_it_is_down(self, smtp: MailServer) -> None:
        smtp.stop()
        with socket.socket() as thief, pytest.raises(OSError, match="in use"):
            thief.bind(("127.0.0.1", smtp.port))

    def test_takes_bounces(self, smtp: MailServer) -> None:
        with client(smtp) as line:
            line.sendmail("", [ANNA], mail().as_bytes())
        assert smtp.mails[0].mail_from == ""

    def test_order_survives_being_down(self, smtp: MailServer) -> None:
        smtp.answer_next("connect", 554, "5.3.2 Not today")
        smtp.stop()
        smtp.start()
        with pytest.raises(smtplib.SMTPConnectError):
            send(smtp)
        send(smtp)

    def test_login(self) -> None:
        with MailServer(auth=("us:er", "p@ss")) as smtp:
            assert smtp.url == f"smtp://us%3Aer:p%40ss@127.0.0.1:{smtp.port}"
            with pytest.raises(smtplib.SMTPSenderRefused, match="Authentication"):
                send(smtp)
            with client(smtp) as line, pytest.raises(smtplib.SMTPAuthenticationError):
                line.login("us:er", "wrong")
            with client(smtp) as line:
                line.login("us:er", "p@ss")
                line.send_message(mail())
            assert len(smtp.mails) == 1

    def test_starttls_with_a_certificate_that_can_be_checked(self) -> None:
        with MailServer(starttls=True, auth=("u", "p")) as smtp:
            trusting = ssl.create_default_context(cafile=str(smtp.certificate_path))
            with client(smtp) as line:
                line.ehlo()
                assert line.has_extn("starttls") and not line.has_extn("auth")
                line.starttls(context=trusting)
                line.login("u", "p")
                line.send_message(mail())
            smtp.cut_after_accept()
            with client(smtp) as line, pytest.raises(smtplib.SMTPServerDisconnected):
                line.starttls(context=trusting)
                line.login("u", "p")
                line.send_message(mail())
            with client(smtp) as line, pytest.raises(ssl.SSLCertVerificationError):
                line.starttls(context=ssl.create_default_context())
            assert len(smtp.mails) == 2

    def test_stop_with_an_open_tls_line(self) -> None:
        with MailServer(starttls=True) as smtp:
            line = client(smtp)
            line.starttls(context=ssl.create_default_context(cafile=str(smtp.certificate_path)))
        line.close()

    def test_smtputf8_only_when_made_so(self, smtp: MailServer) -> None:
        with client(smtp) as line:
            line.ehlo()
            assert not line.has_extn("smtputf8") and not line.has_extn("starttls") and not line.has_extn("auth")
        with MailServer(smtputf8=True) as modern:
            with client(modern) as line:
                line.send_message(mail("pää@example.fi"))
            assert modern.mails[0].recipients == ["pää@example.fi"]
