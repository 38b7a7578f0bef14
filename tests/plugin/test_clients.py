"""``to_support_clients``."""

from collections.abc import Iterator

import pytest

from mailtrap import ConfigError, MailServer, Message
from pytest_mailtrap import expect


@pytest.fixture
def server() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.stop()


def received(server: MailServer, html: str, kind: str = "html") -> Message:
    raw = f"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/{kind}\r\n\r\n{html}\r\n"
    return server.deliver(raw.encode(), recipients="bob@example.com")


def test_what_is_supported(server):
    message = received(server, "<table><tr><td style='color:red'>Hi</td></tr></table>")
    expect(message).to_support_clients("outlook", "gmail", level="full")
    expect(message).to_support_clients()
    expect(received(server, "Hi", "plain")).to_support_clients("outlook")


def test_what_is_not(server):
    message = received(server, "<div style='display:flex;opacity:.5'><video></video></div>")
    with pytest.raises(AssertionError) as raised:
        expect(message).to_support_clients("gmail", "outlook")
    assert str(raised.value) == (
        f"the HTML of {message!r} uses what mail programs lack:\n"
        "  gmail (Gmail in browsers, on Android and iOS, other accounts in its apps included):\n"
        "    <video>: none (html-video)\n"
        "  outlook (Outlook for Windows that renders with Word: 2007 to 2019):\n"
        "    display: flex: none (css-display-flex)\n"
        "    opacity: none (css-opacity)\n"
        "    <video>: none (html-video)"
    )
    expect(message).to_support_clients("gmail", ignore=["html-video"])
    with pytest.raises(AssertionError, match="display: flex: partial"):
        expect(message).to_support_clients("gmail", level="full", ignore="html-video")


def test_bad_arguments(server):
    message = received(server, "x")
    with pytest.raises(ConfigError, match="nothing is known of 'outlok'"):
        expect(message).to_support_clients("outlok")
    with pytest.raises(ConfigError, match="level is"):
        expect(message).to_support_clients("gmail", level="none")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected of a Message"):
        expect(server).to_support_clients("gmail")


def test_as_a_check_of_the_message(server):
    (finding,) = received(server, "<p style='opacity:.5'>").check("clients")
    assert (finding.id, finding.severity) == ("css-opacity", "info")
    assert finding.message == "opacity works not in outlook; partly in gmail"
