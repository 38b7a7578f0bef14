"""Mailboxes filled from files and descriptions."""

import mailbox
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest

from mailtrap import ConfigError, MailServer


@pytest.fixture
def server() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.stop()


def mail(subject: str = "Hello", to: str = "bob@example.com", **headers: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "alice@example.com"
    message["To"] = to
    message["Subject"] = subject
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content("Hi\n")
    return message


def subjects(server: MailServer, account: str = "bob@example.com", name: str = "INBOX") -> list[str]:
    return [copy.subject for copy in server.mailbox(account, name).messages]


class TestFiles:
    def test_one_mail_goes_to_whom_its_headers_name(self, server: MailServer, tmp_path: Path) -> None:
        path = tmp_path / "one.eml"
        path.write_bytes(mail(to="Bob <bob@example.com>, carol@example.com", Cc="dan@example.com").as_bytes())
        server.seed(path)
        for account in ("bob@example.com", "carol@example.com", "dan@example.com"):
            assert subjects(server, account) == ["Hello"]

    def test_delivered_to_is_who_got_it(self, server: MailServer, tmp_path: Path) -> None:
        path = tmp_path / "one.eml"
        path.write_bytes(mail(to="list@example.com", Delivered_To="bob@example.com").as_bytes())
        server.seed(str(path))
        assert [account.address for account in server.accounts] == ["bob@example.com"]

    def test_the_bytes_are_those_of_the_file(self, server: MailServer, tmp_path: Path) -> None:
        raw = b"To: bob@example.com\nSubject: \xff\n\nbare\nlines\r\nand others"
        (tmp_path / "odd.eml").write_bytes(raw)
        server.seed(tmp_path / "odd.eml")
        assert server.mailbox("bob@example.com").message(timeout=0).raw == raw

    def test_it_answers_no_wait_for_submitted_mail(self, server: MailServer, tmp_path: Path) -> None:
        (tmp_path / "one.eml").write_bytes(mail().as_bytes())
        server.seed(tmp_path)
        assert server.messages == []
        server.assert_no_message()

    def test_a_folder_in_the_order_of_names(self, server: MailServer, tmp_path: Path) -> None:
        for name in ("2.eml", "1.eml", "3.txt"):
            (tmp_path / name).write_bytes(mail(name).as_bytes())
        server.seed(tmp_path)
        assert subjects(server) == ["1.eml", "2.eml"]

    def test_an_mbox_as_the_library_writes_it(self, server: MailServer, tmp_path: Path) -> None:
        box = mailbox.mbox(tmp_path / "box", create=True)
        first = mailbox.mboxMessage(mail("first"))
        first.set_from("alice@example.com", (2024, 5, 1, 10, 0, 0, 2, 122, 0))
        first.set_flags("RAF")
        box.add(first)
        quoted = mail("second")
        quoted.set_content("From here on\n\nFrom nowhere\n")
        box.add(quoted)
        box.close()
        server.seed(tmp_path / "box")
        one, two = server.mailbox("bob@example.com").messages
        assert one.flags == {"\\Seen", "\\Answered", "\\Flagged"}
        assert one.internal_date == datetime(2024, 5, 1, 10, tzinfo=UTC)
        assert (two.subject, two.flags) == ("second", frozenset())
        assert two.text == "From here on\n\nFrom nowhere\n"

    def test_an_mbox_with_crlf(self, server: MailServer, tmp_path: Path) -> None:
        raw = mail("crlf").as_bytes().replace(b"\n", b"\r\n")
        (tmp_path / "box").write_bytes((b"From a@b Wed May  1 10:00:00 2024\r\n" + raw + b"\r\n") * 2)
        server.seed(tmp_path / "box")
        assert [copy.raw for copy in server.mailbox("bob@example.com").messages] == [raw, raw]

    def test_a_maildir_with_its_flags_and_folders(self, server: MailServer, tmp_path: Path) -> None:
        box = mailbox.Maildir(tmp_path / "bob@example.com", create=True)
        read = mailbox.MaildirMessage(mail("read", to="somebody@else.example"))
        read.set_subdir("cur")
        read.set_flags("RSP")
        read.set_date(1_700_000_000)
        box.add(read)
        box.add(mail("new"))
        box.add_folder("Archive.2024").add(mail("old"))
        server.seed(tmp_path / "bob@example.com")
        assert [account.address for account in server.accounts] == ["bob@example.com"]
        copies = {copy.subject: copy for copy in server.mailbox("bob@example.com").messages}
        assert copies["read"].flags == {"\\Seen", "\\Answered", "$Forwarded"}
        assert copies["read"].internal_date == datetime.fromtimestamp(1_700_000_000, UTC)
        assert copies["new"].flags == frozenset()
        assert subjects(server, name="Archive/2024") == ["old"]

    def test_a_maildir_without_a_name_goes_by_headers(self, server: MailServer, tmp_path: Path) -> None:
        mailbox.Maildir(tmp_path / "Maildir", create=True).add(mail("for bob"))
        server.seed(tmp_path / "Maildir")
        assert subjects(server) == ["for bob"]

    @pytest.mark.parametrize(
        ("name", "content", "says"),
        [
            ("nothing.eml", None, "cannot be read"),
            ("empty.eml", b"\n \n", "is empty"),
            ("nobody.eml", b"Subject: x\n\nbody", "names no recipient"),
            ("bad.toml", b"[", "is no TOML"),
            ("none.toml", None, "cannot be read"),
        ],
    )
    def test_what_cannot_be_seeded(
        self, server: MailServer, tmp_path: Path, name: str, content: bytes | None, says: str
    ) -> None:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError, match=says) as info:
            server.seed(tmp_path / name)
        assert name in str(info.value)

    def test_a_folder_with_neither(self, server: MailServer, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="neither a Maildir nor"):
            server.seed(tmp_path)


class TestDescriptions:
    def test_toml(self, server: MailServer, tmp_path: Path) -> None:
        (tmp_path / "one.eml").write_bytes(mail("from a file").as_bytes())
        box = mailbox.mbox(tmp_path / "old.mbox", create=True)
        box.add(mail("archived"))
        box.close()
        (tmp_path / "mail.toml").write_text(
            r"""
            ["bob@example.com"]
            password = "pw"
            quota = 100000

            ["bob@example.com".mailboxes]
            Archive = "old.mbox"

            [["bob@example.com".mailboxes.INBOX]]
            from = "alice@example.com"
            to = ["bob@example.com", "carol@example.com"]
            subject = "Grüße"
            text = "Hi Bob"
            html = "<p>Hi Bob</p>"
            headers = { X-Run = "7" }
            flags = ['\Seen', 'work']
            internal_date = 2024-05-01T10:00:00Z

            ["bob@example.com".mailboxes.Sent]
            special_use = '\Sent'
            messages = ["one.eml", { file = "one.eml", flags = ['\Flagged'] }]
            """,
            "utf-8",
        )
        server.seed(tmp_path / "mail.toml")
        account = server.account("bob@example.com")
        assert account.password == "pw"
        (copy,) = account.mailbox().messages
        assert (copy.subject, copy.text, copy.html) == ("Grüße", "Hi Bob\n", "<p>Hi Bob</p>\n")
        assert copy.to == ["bob@example.com", "carol@example.com"]
        assert copy.headers["X-Run"] == "7"
        assert copy.flags == {"\\Seen", "work"}
        assert copy.internal_date == datetime(2024, 5, 1, 10, tzinfo=UTC)
        assert account.mailbox("Sent").special_use == {"\\Sent"}
        assert [copy.flags for copy in account.mailbox("Sent").messages] == [frozenset(), {"\\Flagged"}]
        assert subjects(server, name="Archive") == ["archived"]

    def test_a_mapping(self, server: MailServer) -> None:
        server.seed(
            {
                "bob@example.com": {
                    "mailboxes": {
                        "INBOX": [mail("an EmailMessage"), b"Subject: bytes\r\n\r\n", {"subject": "fields"}],
                        "Empty": [],
                    }
                },
                "carol@example.com": {"password": "pw"},
            }
        )
        assert subjects(server) == ["an EmailMessage", "bytes", "fields"]
        assert subjects(server, name="Empty") == []
        assert server.account("carol@example.com").password == "pw"

    def test_html_alone(self, server: MailServer) -> None:
        server.seed({"bob@example.com": {"mailboxes": {"INBOX": [{"html": "<b>x</b>"}]}}})
        message = server.mailbox("bob@example.com").message(timeout=0)
        assert (message.text, message.html) == (None, "<b>x</b>\n")

    def test_a_day_and_a_moment_without_a_zone(self, server: MailServer) -> None:
        moments = [datetime(2024, 5, 1).date(), datetime(2024, 5, 1, 10)]
        server.seed({"bob@example.com": {"mailboxes": {"INBOX": [{"internal_date": moment} for moment in moments]}}})
        assert [copy.internal_date for copy in server.mailbox("bob@example.com").messages] == [
            datetime(2024, 5, 1, tzinfo=UTC),
            datetime(2024, 5, 1, 10, tzinfo=UTC),
        ]

    def test_into_a_scope(self, server: MailServer) -> None:
        with server.scope("inner") as scope:
            scope.seed({"bob@example.com": {"mailboxes": {"INBOX": [{"subject": "inner"}]}}})
            assert subjects(scope) == ["inner"]
        assert server.accounts == []

    @pytest.mark.parametrize(
        ("description", "says"),
        [
            ({"bob": {}}, "'bob' is no address"),
            ({"bob@x.test": []}, "bob@x.test is described by a table"),
            ({"bob@x.test": {"pasword": "x"}}, "there is no 'pasword'; the nearest is 'password'"),
            ({"bob@x.test": {"quota": "1"}}, "quota is a int"),
            ({"bob@x.test": {"quota": True}}, "quota is a int"),
            ({"bob@x.test": {"mailboxes": ["INBOX"]}}, "mailboxes is a mapping"),
            ({"bob@x.test": {"mailboxes": {"INBOX": 7}}}, "messages are a list"),
            ({"bob@x.test": {"mailboxes": {"INBOX": [7]}}}, "a mail is bytes"),
            ({"bob@x.test": {"mailboxes": {"INBOX": {"specialuse": "x"}}}}, "the nearest is 'special_use'"),
            ({"bob@x.test": {"mailboxes": {"INBOX": [{"subjct": "x"}]}}}, "the nearest is 'subject'"),
            ({"bob@x.test": {"mailboxes": {"INBOX": [{"flags": "\\Seen"}]}}}, "flags is a list"),
            ({"bob@x.test": {"mailboxes": {"INBOX": [{"internal_date": "now"}]}}}, "internal_date is a date"),
            ({"bob@x.test": {"mailboxes": {"INBOX": [{"file": "a", "text": "b"}]}}}, "a file or has text"),
            ({"bob@x.test": {"mailboxes": {"INBOX": [{"subject": "a\nb"}]}}}, "no mail can be made"),
            ({"bob@x.test": {"mailboxes": {"INBOX": [{"headers": {"X": 7}}]}}}, "no mail can be made"),
            ({"bob@x.test": {"mailboxes": {"INBOX": "no-such.mbox"}}}, "no-such.mbox cannot be read"),
        ],
    )
    def test_a_description_that_does_not_fit(
        self, server: MailServer, description: dict[str, object], says: str
    ) -> None:
        with pytest.raises(ConfigError) as info:
            server.seed({"first@x.test": {"mailboxes": {"INBOX": [{"subject": "x"}]}}, **description})
        assert says in str(info.value)
        assert server.accounts == [], "a description is put in as a whole or not at all"


def test_a_path_that_is_not_there(server: MailServer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        server.seed(tmp_path / "folder" / "missing")
