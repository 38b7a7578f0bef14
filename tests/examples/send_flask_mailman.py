"""A Flask application with Flask-Mailman. It reads the same settings as Flask-Mail."""

import pytest
from flask import Flask
from flask_mailman import EmailMessage, Mail

from mailtrap import MailServer

mail = Mail()


@pytest.fixture
def app(mailserver: MailServer) -> Flask:
    app = Flask(__name__)
    app.config.update(TESTING=True, **mailserver.config_for("flask-mail"))
    mail.init_app(app)
    return app


def test_report(app: Flask, mailserver: MailServer) -> None:
    with app.app_context():
        report = EmailMessage("Report", "See the attachment.", "web@example.com", ["boss@example.com"])
        report.attach("numbers.csv", "a,b\n1,2\n", "text/csv")
        report.send()

    attachment = mailserver.message(to="boss@example.com").attachment(filename="numbers.csv")
    assert attachment.content_type == "text/csv"
    assert attachment.content.split() == [b"a,b", b"1,2"]
