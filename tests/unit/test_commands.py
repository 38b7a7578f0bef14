"""The commands that read a running server, send as sendmail does, and move mail between it and files."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mailtrap import MailServer
from mailtrap.cli import main
from mailtrap.sendmail import NO_USER, TEMPORARY, USAGE, prepared

MAIL = b"From: Ann <ann@example.com>\nTo: bob@example.com\nSubject: Hello\nDate: x\nMessage-ID: <1@x>\n\nHi Bob\n"


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def run(server: MailServer) -> Iterator[Callable[..., Result]]:
    server.reset()

    def run(*arguments: str, **given: Any) -> Result:
        environment = {"MAILTRAP_URL": server.http.url, "MAILTRAP_SMTP_PORT": str(server.smtp.port)}
        return CliRunner().invoke(main, arguments, env={**environment, **given.pop("env", {})}, **given)

    yield run
    server.reset()


def send(server: MailServer, *subjects: str) -> None:
    for subject in subjects:
        server.send(MAIL.replace(b"Hello", subject.encode()), recipients="bob@example.com", mail_from="ann@example.com")


# ---------------------------------------------------------------- reading


def test_list(run: Callable[..., Result], server: MailServer) -> None:
    send(server, "One", "Two", "Three")
    lines = run("list").output.splitlines()
    assert [line.rpartition("'")[0].rpartition("'")[2] for line in lines] == ["Three", "Two", "One"]
    assert "ann@example.com > bob@example.com" in lines[0]
    assert len(run("list", "--limit", "2").output.splitlines()) == 2
    (found,) = [json.loads(line) for line in run("list", "--json", "subject:two", "is:unread").output.splitlines()]
    assert (found["subject"], found["recipients"]) == ("Two", ["bob@example.com"])
    result = run("list", "subjet:x")
    assert result.exit_code == 2
    assert "at character 1" in result.output
    assert run("list", "--scope", "nowhere").exit_code == 2


def test_show(run: Callable[..., Result], server: MailServer) -> None:
    send(server, "One")
    (message,) = server.messages
    assert run("show", message.id, "--as", "raw").stdout_bytes == message.raw
    assert "Subject: One\n\nHi Bob" in run("show", "latest").output.replace("\r", "")
    assert "Subject: One" in run("show", "latest", "--as", "headers").output
    assert json.loads(run("show", message.id, "--as", "json").output)["text"] == "Hi Bob\n"
    assert run("show", message.id, "--as", "html").exit_code == 1
    assert run("show", message.id, "--as", "transcript").exit_code == 0
    assert "there is no message x" in run("show", "x").output


def test_wait(run: Callable[..., Result], server: MailServer) -> None:
    mark = run("wait", "--mark").output.strip()
    send(server, "One", "Two")
    assert json.loads(run("wait", "--subject", "One", "--since", mark).output)["subject"] == "One"
    assert json.loads(run("wait", "--latest").output)["subject"] == "Two"
    assert json.loads(run("wait", "--query", "subject:two").output)["subject"] == "Two"
    result = run("wait", "--subject", "Three", "--timeout", "0")
    assert result.exit_code == 1
    assert "no message matched within 0 s: subject='Three'" in result.output
    assert run("wait", "--to", "bob@example.com").exit_code == 1  # two match
    assert run("wait", "--since", "yesterday").exit_code == 2


@pytest.mark.parametrize("arguments", [("list",), ("show", "latest"), ("wait",), ("export", "out")])
def test_no_server(run: Callable[..., Result], arguments: tuple[str, ...], tmp_path: Path) -> None:
    result = run(*arguments, env={"MAILTRAP_URL": "http://127.0.0.1:1"})
    assert result.exit_code == 2
    assert "no server answers at http://127.0.0.1:1" in result.output


# ---------------------------------------------------------------- sendmail


def test_sendmail_takes_recipients_from_the_header(run: Callable[..., Result], server: MailServer) -> None:
    raw = MAIL.replace(
        b"\nSubject", b"\nCc: Carol <carol@example.com>\nBcc: dan@example.com,\n eve@example.com\nSubject"
    )
    assert run("sendmail", "-t", "-i", "-f", "bounce@example.com", input=raw).exit_code == 0
    (message,) = server.messages
    assert message.mail_from == "bounce@example.com"
    assert list(message.recipients) == ["bob@example.com", "carol@example.com", "dan@example.com", "eve@example.com"]
    assert b"dan@example.com" not in message.raw
    assert message.raw == raw.replace(b"Bcc: dan@example.com,\n eve@example.com\n", b"").replace(b"\n", b"\r\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("bob@example.com",), ("-oi", "bob@example.com"), ("-i", "--", "bob@example.com"), ("-ti",),
        ("-oem", "-B8BITMIME", "-N", "never", "-bm", "-i", "bob@example.com"), ("-fann@example.com", "-t"),
        ("-r", "ann@example.com", "-t"), ("-F", "Ann", "-v", "-t"),
    ],
)  # fmt: skip
def test_sendmail_understands(run: Callable[..., Result], server: MailServer, arguments: tuple[str, ...]) -> None:
    result = run("sendmail", *arguments, input=MAIL)
    assert (result.exit_code, result.output) == (0, "")
    (message,) = server.messages
    assert list(message.recipients) == ["bob@example.com"]
    assert message.mail_from == "ann@example.com"
    assert message.raw == MAIL.replace(b"\n", b"\r\n")


def test_a_dot_alone_ends_the_mail_unless_it_is_text(run: Callable[..., Result], server: MailServer) -> None:
    raw = MAIL + b".\nmore\n"
    run("sendmail", "bob@example.com", input=raw)
    run("sendmail", "-i", "bob@example.com", input=raw)
    assert [message.plain for message in server.messages] == ["Hi Bob\n", "Hi Bob\n.\nmore\n"]


def test_what_a_mail_lacks_is_added() -> None:
    made = prepared(b"Subject: x\n\ny", "ann@example.com", "Änn", dot_is_text=True)
    assert made.startswith(b"From: =?utf-8?q?=C3=84nn?= <ann@example.com>\r\nDate: ")
    assert made.endswith(b"Subject: x\r\n\r\ny\r\n")
    assert b"\r\nMessage-ID: <" in made
    assert b"\r\n\r\nonly text, no header\r\n" in prepared(b"only text, no header", None, "", dot_is_text=True)
    assert prepared(MAIL, None, "", dot_is_text=True) == MAIL.replace(b"\n", b"\r\n")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("-i",), USAGE, "no recipient"),
        (("-t",), USAGE, "no recipient"),
        (("-f",), USAGE, "-f is followed by a value"),
        (("-bs",), USAGE, "only delivering mail"),
        (("all",), NO_USER, "550"),
        (("bob@example.com", "all"), NO_USER, "all: 550"),
    ],
)
def test_sendmail_refuses(
    run: Callable[..., Result], server: MailServer, arguments: tuple[str, ...], code: int, says: str
) -> None:
    result = run("sendmail", *arguments, input=MAIL.replace(b"To: bob@example.com\n", b""))
    assert result.exit_code == code
    assert says in result.output


def test_sendmail_says_when_to_try_again(run: Callable[..., Result], server: MailServer) -> None:
    assert run("sendmail", "bob@example.com", input=MAIL, env={"MAILTRAP_SMTP_PORT": "1"}).exit_code == TEMPORARY
    assert run("sendmail", "b@x", input=MAIL, env={"MAILTRAP_SMTP_PORT": "smtp"}).exit_code == USAGE
    with server.smtp.on("DATA").respond_with(451, "later"):
        result = run("sendmail", "bob@example.com", input=MAIL)
    assert (result.exit_code, "451" in result.output) == (TEMPORARY, True)
    with server.smtp.on("RCPT").respond_with(450, "later"):
        assert run("sendmail", "bob@example.com", input=MAIL).exit_code == TEMPORARY
    with server.smtp.on("MAIL").respond_with(550, "never"):
        assert run("sendmail", "bob@example.com", input=MAIL).exit_code == 69


# ---------------------------------------------------------------- mail and files


@pytest.mark.parametrize("form", ["mbox", "maildir", "eml"])
def test_out_of_a_server_and_into_a_store(
    run: Callable[..., Result], server: MailServer, tmp_path: Path, form: str
) -> None:
    server.deliver(MAIL, recipients=["bob@example.com", "eve@example.com"], flags=["\\Seen", "work"])
    server.deliver(b"odd", recipients="bob@example.com", mailbox="Archive/2024")
    result = run("export", "--format", form, str(tmp_path / "out"))
    assert result.exit_code == 0, result.output
    assert "3 mails of 2 accounts" in result.output
    store = f"sqlite:///{tmp_path / 'mail.db'}"
    result = run("import", "--store", store, str(tmp_path / "out"), env={"MAILTRAP_URL": None})
    assert (result.exit_code, result.output.strip().splitlines()[-1]) == (0, "3 mails")
    again = MailServer(store=store)
    (copy,) = again.mailbox("bob@example.com").messages
    assert (copy.raw, copy.flags) == (MAIL, {"\\Seen", "work"})
    assert [copy.raw for copy in again.mailbox("bob@example.com", "Archive/2024").messages] == [b"odd"]
    again.stop()
    result = run(
        "export", "--store", store, "--account", "eve@example.com", str(tmp_path / "hers"), env={"MAILTRAP_URL": None}
    )
    assert "1 mails of 1 accounts" in result.output


def test_import_into_a_server(run: Callable[..., Result], server: MailServer, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.eml").write_bytes(MAIL.replace(b"Hello", b"N%d" % number))
    assert run("import", str(tmp_path)).output.strip().endswith("3 mails")
    assert [copy.subject for copy in server.mailbox("bob@example.com").messages] == ["N0", "N1", "N2"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("export", "--store", "sqlite:///x.db", "out"), "not both"),
        (("export", "--account", "nobody@example.com", "out"), "there is no account nobody@example.com"),
        (("import", "nothing-there"), "does not exist"),
    ],
)
def test_what_cannot_be_moved(run: Callable[..., Result], arguments: tuple[str, ...], says: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in result.output
