"""A Flask application with Flask-Mail."""

import pytest
from flask import Flask
from flask_mail import Mail, Message

from mailtrap import MailServer

mail = Mail()


def create_app(**config: object) -> Flask:
    """The application; its mail settings come from outside."""
    app = Flask(__name__)
    app.config.update(config)
    mail.init_app(app)

    @app.post("/contact")
    def contact() -> str:
        mail.send(Message("Contact", ["sales@example.com"], "Hi", sender="web@example.com", reply_to="eve@example.com"))
        return "Thank you"

    return app


@pytest.fixture
def app(mailserver: MailServer) -> Flask:
    return create_app(TESTING=True, **mailserver.config_for("flask-mail"))


def test_contact_form(app: Flask, mailserver: MailServer) -> None:
    assert app.test_client().post("/contact").status_code == 200

    message = mailserver.message(to="sales@example.com")
    assert message.reply_to == ["eve@example.com"]
