"""Mail out into files and in again: bytes exactly, with mailboxes, flags and dates, in three formats."""

import mailbox
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailtrap import ConfigError, MailServer
from mailtrap.exporting import FORMATS, Format, escaped, export, number, quoted
from mailtrap.seeding import seed


@pytest.fixture
def server() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.stop()


FLAGS = [[], ["\\Seen", "$Forwarded"], ["\\Answered", "\\Flagged", "work", "später"], ["\\Deleted", "\\Draft"]]
ODD = [
    b"From: a@example.com\r\nSubject: one\r\n\r\nFrom here\r\n>From there\r\n>>From\r\n\r\nFrom nowhere\r\n",
    b"From: a@example.com\nSubject: bare\n\nno end",
    b"From me to you, no header at all\n",
    b"\n\n",
    b"",
    b"Subject: x\r\n\r\n\x00\xff\r\rFrom x\n\n\nFrom y\r\n",
    b"X-Mailtrap: lines=9 octets=1 date=1 flags=\n\nFrom \n",
]


def filled(server: MailServer, raws: list[bytes]) -> None:
    bob = server.add_account("bob@example.com", password='p"w\\ü')
    bob.create("Archive/2024", special_use="\\Archive")
    bob.create("Empty", subscribed=False)
    bob.create("50% off. *really*: <yes>?")
    for place, raw in enumerate(raws):
        box = bob.mailbox(("INBOX", "Archive/2024", "50% off. *really*: <yes>?")[place % 3])
        flags = [[], ["\\Seen", "$Forwarded"], ["\\Answered", "\\Flagged", "work", "später"], ["\\Deleted", "\\Draft"]][
            place % 4
        ]
        box.append(raw, flags=flags, internal_date=datetime(1999 + place, 5, 1, 10, 0, 0, 123456, tzinfo=UTC))
    server.add_account("eve+x@example.com").mailbox().append(b"Subject: hers\n\n")


def everything(server: MailServer) -> Any:
    return {
        str(account.address): (
            account.password,
            list(account.subscriptions),
            {
                box.name: (
                    set(box.special_use),
                    [(copy.raw, copy.flags, copy.internal_date) for copy in box.messages],
                )
                for box in account.mailboxes
                if box.row.selectable
            },
        )
        for account in server.accounts
    }


@pytest.mark.parametrize("form", FORMATS)
def test_a_round_trip_gives_the_same(server: MailServer, tmp_path: Path, form: Format) -> None:
    filled(server, ODD)
    steps: list[int] = []
    written = export(server.accounts, tmp_path / "out", form, lambda: steps.append(1))
    assert written == len(steps) == number(server.accounts) == len(ODD) + 1
    told: list[int] = []
    again = MailServer()

    def begin(mails: int) -> Any:
        told.append(mails)
        return lambda: told.append(1)

    seed(again, tmp_path / "out", begin)
    assert told == [len(ODD) + 1] + [1] * (len(ODD) + 1)
    assert everything(again) == everything(server)
    again.stop()


_raws = st.lists(
    st.binary(max_size=60) | st.lists(st.sampled_from([b"From ", b">", b"\n", b"\r\n", b"x"])).map(b"".join), max_size=4
)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(_raws, st.sampled_from(FORMATS))
def test_any_bytes_come_back(tmp_path_factory: pytest.TempPathFactory, raws: list[bytes], form: Format) -> None:
    folder = tmp_path_factory.mktemp("export")
    with (
        MailServer(**{f"{name}_port": None for name in _PORTS}) as server,
        MailServer(**{f"{name}_port": None for name in _PORTS}) as again,
    ):
        account = server.add_account("bob@example.com")
        for raw in raws:
            account.mailbox().append(raw, flags=["k"])
        export([account], folder / "out", form)
        again.seed(folder / "out")
        assert [copy.raw for copy in again.mailbox("bob@example.com").messages] == raws


_PORTS = ("smtp", "smtps", "submission", "lmtp", "pop3", "pop3s", "imap", "imaps", "http")


def test_other_programs_read_the_mbox(server: MailServer, tmp_path: Path) -> None:
    filled(server, ODD[:1] * 3)
    export(server.accounts, tmp_path / "out", "mbox")
    box = mailbox.mbox(tmp_path / "out" / "bob@example.com" / "Archive" / "2024.mbox")
    (message,) = box
    assert (message["Subject"], message.get_flags()) == ("one", "R" + "O")
    assert message.get_from().startswith("MAILER-DAEMON") or "@" in message.get_from()
    box.close()


def test_other_programs_read_the_maildir(server: MailServer, tmp_path: Path) -> None:
    filled(server, ODD[:1] * 3)
    export(server.accounts, tmp_path / "out", "maildir")
    box = mailbox.Maildir(tmp_path / "out" / "bob@example.com", create=False)
    assert sorted(box.list_folders()) == ["50%25 off%2E %2Areally%2A%3A %3Cyes%3E%3F", "Archive.2024", "Empty"]
    (message,) = box.get_folder("Archive.2024")
    assert message["Subject"] == "one"
    assert "S" in message.get_flags()
    box.close()


def test_a_maildir_with_keywords_of_dovecot(server: MailServer, tmp_path: Path) -> None:
    root = tmp_path / "bob@example.com"
    (root / "cur").mkdir(parents=True)
    (root / "cur" / "1.x:2,Sac").write_bytes(b"Subject: x\n\n")
    (root / "dovecot-keywords").write_text("0 work\n1 other\n2 $Label1\nx y\n")
    server.seed(root)
    (copy,) = server.mailbox("bob@example.com").messages
    assert copy.flags == {"\\Seen", "work", "$Label1"}


def test_more_keywords_than_a_maildir_has_letters_for(server: MailServer, tmp_path: Path) -> None:
    server.add_account("bob@example.com").mailbox().append(b"\n", flags=[f"k{each}" for each in range(27)])
    with pytest.raises(ConfigError, match="no more than 26 keywords"):
        export(server.accounts, tmp_path / "out", "maildir")
    assert export(server.accounts, tmp_path / "mbox", "mbox") == 1


def test_a_folder_that_has_something_is_not_written_to(server: MailServer, tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    with pytest.raises(ConfigError, match="is not empty"):
        export(server.accounts, tmp_path, "mbox")
    assert [file.name for file in tmp_path.iterdir()] == ["there"]


@pytest.mark.parametrize(
    "harm",
    [lambda raw: raw[:-8], lambda raw: raw.replace(b"octets=", b"octets=x"), lambda raw: raw.replace(b"date=", b"")],
)
def test_an_mbox_that_was_damaged(server: MailServer, tmp_path: Path, harm: Any) -> None:
    server.add_account("bob@example.com").mailbox().append(b"Subject: x\n\nlong enough\n")
    export(server.accounts, tmp_path / "out", "mbox")
    path = tmp_path / "out" / "bob@example.com" / "INBOX.mbox"
    path.write_bytes(harm(path.read_bytes()))
    again = MailServer()
    with pytest.raises(ConfigError, match="mail 1"):
        again.seed(tmp_path / "out")
    again.stop()


@pytest.mark.parametrize(
    ("name", "file"),
    [("bob@example.com", "bob@example.com"), ("..", "%2E%2E"), ("a/b", "a%2Fb"), ("CON:", "CON%3A"), (".x", "%2Ex")],
)
def test_names_of_files(name: str, file: str) -> None:
    assert escaped(name) == file


def test_text_in_toml() -> None:
    import tomllib

    for text in ('a "b" \\ c', "ü\n\t\x7f", ""):
        assert tomllib.loads(f"a = {quoted(text)}") == {"a": text}


def test_seed_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(b"To: bob@example.com\nSubject: seeded\n\n")
    store = f"sqlite:///{tmp_path / 'mail.db'}"
    for _ in range(2):  # the second time there is mail already
        with MailServer(store=store, seed=str(tmp_path / "one.eml")) as server:
            assert [copy.subject for copy in server.mailbox("bob@example.com").messages] == ["seeded"]
    with pytest.raises(ConfigError, match="cannot be read"):
        MailServer(seed=[str(tmp_path / "nothing.eml")])
