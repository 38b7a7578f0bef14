"""A Django project. Its settings may say EMAIL_* or, since 6.1, MAILERS: the fixture sets what the project reads.

The test runner of Django, and pytest-django, replace the backend by one that keeps mail in a list. ``mailtrap_django``
wins over it, so that what is tested is what would go over the wire.
"""

import re
from collections.abc import Iterator

import django
import pytest
from django.conf import settings
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.test.utils import setup_test_environment, teardown_test_environment

from mailtrap import MailServer

if not settings.configured:  # a project has a settings module instead
    settings.configure(DEFAULT_FROM_EMAIL="app@example.com")
    django.setup()


@pytest.fixture(autouse=True)
def test_runner() -> Iterator[None]:
    """What the test runner does around all tests (pytest-django does it by itself)."""
    if hasattr(mail, "outbox"):
        yield
        return
    setup_test_environment()
    yield
    teardown_test_environment()


def invite(address: str) -> None:
    """What the application does."""
    message = EmailMultiAlternatives("You are invited", "Join us: https://example.com/join/7f3a", to=[address])
    message.attach_alternative('<a href="https://example.com/join/7f3a">Join us</a>', "text/html")
    message.send()


def test_invitation(mailtrap_django: MailServer) -> None:
    invite("carol@example.com")

    message = mailtrap_django.message(to="carol@example.com", subject=re.compile("invited"))
    assert message.link(text="Join us").href == "https://example.com/join/7f3a"
    assert message.mail_from == "app@example.com"
    assert mail.outbox == []  # pyright: ignore[reportAttributeAccessIssue]
