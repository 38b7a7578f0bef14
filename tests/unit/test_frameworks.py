"""Settings of frameworks; with the real ones where they are installed."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from mailtrap import ConfigError, MailServer, MailtrapError


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer(http_port=None) as server:
        yield server


def test_an_unknown_name(server: MailServer) -> None:
    with pytest.raises(ConfigError, match="'rails'; there is: django, flask-mail, fastapi-mail, env"):
        server.config_for("rails")


def test_a_server_that_does_not_run() -> None:
    server = MailServer()
    with pytest.raises(MailtrapError, match="does not run"):
        server.config_for("env")
    server.stop()


def test_environment_without_readers() -> None:
    with MailServer(imap_port=None, pop3_port=None, http_port=None) as server:
        assert set(server.config_for("env")) == {"SMTP_HOST", "SMTP_PORT", "EMAIL_URL"}


@pytest.mark.parametrize(("setting", "expected"), [("off", False), ("offered", False), ("required", True)])
def test_tls_is_asked_for_where_it_must_be(server: MailServer, setting: str, expected: bool) -> None:
    with server.scope(starttls=setting) as scope:
        assert scope.config_for("flask-mail")["MAIL_USE_TLS"] is expected
        assert scope.config_for("fastapi-mail")["MAIL_STARTTLS"] is expected
        assert scope.config_for("env")["EMAIL_URL"].startswith("smtp+tls:" if expected else "smtp:")


def test_django_without_mailers(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    django = type(sys)("django")
    monkeypatch.setitem(sys.modules, "django", django)
    monkeypatch.delitem(sys.modules, "django.conf", raising=False)
    django.VERSION = (5, 2, 0, "final", 0)  # type: ignore[attr-defined]
    settings = server.config_for("django")
    assert (settings["EMAIL_HOST"], settings["EMAIL_PORT"]) == (server.smtp.host, server.smtp.port)
    assert settings["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    assert "MAILERS" not in settings


def test_django_with_mailers(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in, for Pythons older than 3.12 have no such Django: the real one is in ``make test-newest``."""
    django = type(sys)("django")
    monkeypatch.setitem(sys.modules, "django", django)
    monkeypatch.delitem(sys.modules, "django.conf", raising=False)
    django.VERSION = (6, 1, 0, "final", 0)  # type: ignore[attr-defined]
    options = {"host": server.smtp.host, "port": server.smtp.port, "use_tls": False}
    mailer = {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": options}
    assert server.config_for("django") == {"MAILERS": {"default": mailer}}


@pytest.mark.parametrize("mailers", [None, {"default": {}, "bulk": {}}])
def test_django_as_the_project_has_it(
    server: MailServer, monkeypatch: pytest.MonkeyPatch, mailers: dict[str, object] | None
) -> None:
    class Settings:
        configured = True

    if mailers is not None:
        Settings.MAILERS = mailers  # type: ignore[attr-defined]
    conf = type(sys)("django.conf")
    conf.settings = Settings  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "django.conf", conf)
    settings = server.config_for("django")
    assert set(settings.get("MAILERS", ())) == set(mailers or ())
    assert ("EMAIL_HOST" in settings) == (mailers is None)


def run(code: str, **values: object) -> None:
    """Run a program that uses a framework, apart from this process: frameworks keep settings globally."""
    prelude = "".join(f"{name} = {value!r}\n" for name, value in values.items())
    done = subprocess.run([sys.executable, "-c", prelude + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_real_django(server: MailServer) -> None:
    """With the one that is installed: 6.1, which has ``MAILERS``, needs Python 3.12."""
    pytest.importorskip("django")
    code = """
from django.conf import settings
settings.configure(**CONFIG)
from django.core.mail import send_mail
send_mail("Hello", "Hi", "app@example.com", ["bob@example.com"])
"""
    run(code, CONFIG=server.config_for("django"))
    assert server.message(to="bob@example.com").subject == "Hello"


@pytest.mark.parametrize("testing", [True, False])
def test_real_flask_mail(server: MailServer, testing: bool) -> None:
    pytest.importorskip("flask_mail")
    code = """
from flask import Flask
from flask_mail import Mail, Message
app = Flask("app")
app.config.update(TESTING=TESTING, **CONFIG)
with app.app_context():
    Mail(app).send(Message("Hello", recipients=["bob@example.com"], body="Hi", sender="app@example.com"))
"""
    run(code, CONFIG=server.config_for("flask-mail"), TESTING=testing)
    assert server.message(to="bob@example.com").subject == "Hello"


def test_real_flask_mailman(server: MailServer) -> None:
    pytest.importorskip("flask_mailman")
    code = """
from flask import Flask
from flask_mailman import EmailMessage, Mail
app = Flask("app")
app.config.update(TESTING=True, **CONFIG)
Mail(app)
with app.app_context():
    EmailMessage("Hello", "Hi", "app@example.com", ["bob@example.com"]).send()
"""
    run(code, CONFIG=server.config_for("flask-mail"))
    assert server.message(to="bob@example.com").subject == "Hello"


def test_real_fastapi_mail(server: MailServer) -> None:
    pytest.importorskip("fastapi_mail")
    code = """
import asyncio
from fastapi_mail import ConnectionConfig, FastMail, MessageSchema, MessageType
message = MessageSchema(subject="Hello", recipients=["bob@example.com"], body="Hi", subtype=MessageType.plain)
asyncio.run(FastMail(ConnectionConfig(**CONFIG)).send_message(message))
"""
    run(code, CONFIG=server.config_for("fastapi-mail"))
    assert server.message(to="bob@example.com").mail_from == "sender@example.com"
