"""What POP3 says to what, command by command, in each state."""

import re

import pytest

MAILS = [
    b"Subject: one\r\n\r\nfirst\r\n",
    b"Subject: two\r\n\r\n.dot\r\n..two dots\r\nend\r\n",
    b"Subject: three\n\nbare\nnewlines\n",
]


@pytest.fixture
def mails(world):
    """Three mails for bob."""
    for raw in MAILS:
        world.put(raw)
    return world


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        ("STAT", b"+OK 3 96\r\n"),
        ("stat", b"+OK 3 96\r\n"),
        ("STAT ", b"+OK 3 96\r\n"),
        ("STAT 1", b"-ERR STAT has no argument\r\n"),
        ("LIST", b"+OK 3 messages, 96 octets\r\n1 23\r\n2 39\r\n3 34\r\n.\r\n"),
        ("LIST  ", b"+OK 3 messages, 96 octets\r\n1 23\r\n2 39\r\n3 34\r\n.\r\n"),
        ("LIST 3", b"+OK 3 34\r\n"),
        ("LIST 0003", b"+OK 3 34\r\n"),
        ("LIST 0", b"-ERR No such message: there are 3\r\n"),
        ("LIST 4", b"-ERR No such message: there are 3\r\n"),
        ("LIST " + "9" * 9000, b"-ERR No such message: there are 3\r\n"),
        ("LIST " + "0" * 9000 + "2", b"+OK 2 39\r\n"),
        ("LIST -1", b"-ERR That is no message number\r\n"),
        ("LIST +1", b"-ERR That is no message number\r\n"),
        ("LIST 1.0", b"-ERR That is no message number\r\n"),
        ("LIST \u0661", b"-ERR That is no message number\r\n"),
        ("LIST 1 2", b"-ERR That is no message number\r\n"),
        ("RETR", b"-ERR That is no message number\r\n"),
        ("RETR 1", b"+OK 23 octets\r\nSubject: one\r\n\r\nfirst\r\n.\r\n"),
        ("RETR 2", b"+OK 39 octets\r\nSubject: two\r\n\r\n..dot\r\n...two dots\r\nend\r\n.\r\n"),
        ("RETR 3", b"+OK 34 octets\r\nSubject: three\r\n\r\nbare\r\nnewlines\r\n.\r\n"),
        ("RETR 4", b"-ERR No such message: there are 3\r\n"),
        ("TOP 2 0", b"+OK Top follows\r\nSubject: two\r\n\r\n.\r\n"),
        ("TOP 2 1", b"+OK Top follows\r\nSubject: two\r\n\r\n..dot\r\n.\r\n"),
        ("TOP 3 1", b"+OK Top follows\r\nSubject: three\r\n\r\nbare\r\n.\r\n"),
        ("TOP 1 1000", b"+OK Top follows\r\nSubject: one\r\n\r\nfirst\r\n.\r\n"),
        ("TOP 1 " + "9" * 9000, b"+OK Top follows\r\nSubject: one\r\n\r\nfirst\r\n.\r\n"),
        ("TOP 1", b"-ERR TOP has a message number and a number of lines\r\n"),
        ("TOP 1 -1", b"-ERR TOP has a message number and a number of lines\r\n"),
        ("TOP 4 1", b"-ERR No such message: there are 3\r\n"),
        ("DELE 2", b"+OK Message 2 marked as deleted\r\n"),
        ("NOOP", b"+OK Nothing done\r\n"),
        ("NOOP x", b"-ERR NOOP has no argument\r\n"),
        ("RSET", b"+OK 3 messages, 96 octets\r\n"),
        ("RSET x", b"-ERR RSET has no argument\r\n"),
        ("QUIT x", b"-ERR QUIT has no argument\r\n"),
        ("QUIT", b"+OK Bye, 0 messages removed\r\n"),
        ("CAPA x", b"-ERR CAPA has no argument\r\n"),
        ("LANG", b"+OK Languages follow\r\nen English\r\ni-default Default\r\n.\r\n"),
        ("LANG EN", b"+OK en Language set\r\n"),
        ("LANG *", b"+OK en Language set\r\n"),
        ("LANG fr", b"-ERR That language is not spoken here\r\n"),
        ("USER bob@example.com", b"-ERR Not after the login\r\n"),
        ("PASS pw", b"-ERR Not after the login\r\n"),
        ("AUTH PLAIN", b"-ERR Not after the login\r\n"),
        ("STLS", b"-ERR Not after the login\r\n"),
        ("UTF8", b"-ERR Not after the login\r\n"),
        ("XYZZY", b"-ERR Unknown command\r\n"),
        ("", b"-ERR Unknown command\r\n"),
        ("x" * 12290, b"-ERR The line is too long\r\n"),
    ],
)
def test_after_the_login(mails, said, answered):
    client = mails.login()
    assert client.say(said) == answered
    if said != "QUIT":
        assert client.say("NOOP") == b"+OK Nothing done\r\n"  # whatever was said, the session goes on
    assert mails.errors == []


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        ("USER", b"-ERR USER has the name of a user\r\n"),
        ("USER ", b"-ERR USER has the name of a user\r\n"),
        (b"USER \xff", b"-ERR USER has the name of a user\r\n"),
        (b"USER b\tob", b"-ERR USER has the name of a user\r\n"),
        ("PASS pw", b"-ERR USER comes first\r\n"),
        ("STAT", b"-ERR Not before the login\r\n"),
        ("RETR 1", b"-ERR Not before the login\r\n"),
        ("DELE 1", b"-ERR Not before the login\r\n"),
        ("NOOP", b"-ERR Not before the login\r\n"),
        ("APOP bob 0123", b"-ERR APOP is not offered: the greeting had no timestamp\r\n"),
        ("STLS", b"-ERR STLS is not offered\r\n"),
        ("STLS now", b"-ERR STLS has no argument\r\n"),
        ("AUTH", b"+OK Mechanisms follow\r\nPLAIN\r\nLOGIN\r\nXOAUTH2\r\nOAUTHBEARER\r\n.\r\n"),
        ("AUTH CRAM-MD5", b"-ERR That mechanism is not offered\r\n"),
        ("AUTH NTLM", b"-ERR That mechanism is not offered\r\n"),
        ("AUTH PLAIN a b", b"-ERR AUTH has a mechanism and perhaps an initial response\r\n"),
        ("UTF8", b"+OK UTF8 enabled\r\n"),
        ("UTF8 x", b"-ERR UTF8 has no argument\r\n"),
        ("QUIT", b"+OK Bye\r\n"),
    ],
)
def test_before_the_login(world, said, answered):
    client = world.connect()
    assert client.say(said) == answered
    assert world.errors == []


def test_the_octets_said_are_the_octets_sent(world):
    for raw in MAILS:
        world.put(raw, prefix=b"Return-Path: <a@example.com>\r\n")
    client = world.login()
    total = 0
    for number in range(1, len(MAILS) + 1):
        status, _, rest = client.say(f"RETR {number}").partition(b"\r\n")
        lines = rest.removesuffix(b".\r\n").splitlines(keepends=True)
        octets = sum(len(line) - line.startswith(b".") for line in lines)
        assert rest.startswith(b"Return-Path: <a@example.com>\r\nSubject: ")
        assert status == b"+OK %d octets" % octets
        assert client.say(f"LIST {number}") == b"+OK %d %d\r\n" % (number, octets)
        total += octets
    assert client.say("STAT") == b"+OK 3 %d\r\n" % total


@pytest.mark.parametrize(
    ("raw", "served", "size"),
    [
        (b"", b"", 0),
        (b"Subject: no end", b"Subject: no end\r\n", 15),
        (b".", b"..\r\n", 1),
        (b".\r\n.\r\n", b"..\r\n..\r\n", 6),
        (b"a\n.\n", b"a\r\n..\r\n", 6),
        (b"a\r.b\r\n", b"a\r.b\r\n", 6),  # a bare CR ends no line
        (b"\x00\xff\r\n", b"\x00\xff\r\n", 4),
    ],
)
def test_any_bytes_come_out_as_they_are(world, raw, served, size):
    world.put(raw)
    assert world.login().say("RETR 1") == b"+OK %d octets\r\n%b.\r\n" % (size, served)


@pytest.mark.parametrize(
    ("raw", "lines", "expected"),
    [
        (b"A: 1\r\nB: 2\r\n", 0, b"A: 1\r\nB: 2\r\n"),  # no body
        (b"\r\nbody\r\nmore\r\n", 1, b"\r\nbody\r\n"),  # no header
        (b"A: 1\r\n\r\n", 5, b"A: 1\r\n\r\n"),
        (b"A: 1\r\n\r\n\r\n\r\nx\r\n", 2, b"A: 1\r\n\r\n\r\n\r\n"),
        (b"A: 1\r\n\r\none\r\ntwo", 2, b"A: 1\r\n\r\none\r\ntwo\r\n"),
    ],
)
def test_top_counts_lines_of_the_body(world, raw, lines, expected):
    world.put(raw)
    assert world.login().say(f"TOP 1 {lines}") == b"+OK Top follows\r\n" + expected + b".\r\n"


def test_a_large_mail_is_served_whole(world):
    raw = b"Subject: large\r\n\r\n" + b".line that begins with a dot\r\n" * 50_000
    world.put(raw)
    answer = world.login().say("RETR 1")
    assert answer == b"+OK %d octets\r\n" % len(raw) + raw.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def test_unique_ids_are_unique_stable_and_of_the_copy(mails):
    first = mails.login()
    listing = first.say("UIDL")
    assert re.fullmatch(rb"\+OK Unique-ids follow\r\n(?:\d \d+\.\d+\r\n){3}\.\r\n", listing)
    unique = dict(line.split(b" ") for line in listing.splitlines()[1:-1])
    assert len(set(unique.values())) == 3
    assert first.say("UIDL 2") == b"+OK 2 %b\r\n" % unique[b"2"]
    first.say("DELE 1", "QUIT")
    mails.put(b"Subject: four\r\n\r\n")
    again = dict(line.split(b" ") for line in mails.login().say("UIDL").splitlines()[1:-1])
    assert [again[b"1"], again[b"2"]] == [unique[b"2"], unique[b"3"]]  # renumbered, with the same unique-ids
    assert again[b"3"] not in unique.values()


def test_deleted_messages_are_passed_over_and_come_back_with_rset(mails):
    client = mails.login()
    assert client.say("DELE 2") == b"+OK Message 2 marked as deleted\r\n"
    for command in ("DELE 2", "RETR 2", "LIST 2", "UIDL 2", "TOP 2 0"):
        assert client.say(command) == b"-ERR That message is deleted\r\n"
    assert client.say("STAT") == b"+OK 2 57\r\n"
    assert client.say("LIST") == b"+OK 2 messages, 57 octets\r\n1 23\r\n3 34\r\n.\r\n"
    assert [line[:2] for line in client.say("UIDL").splitlines()[1:-1]] == [b"1 ", b"3 "]
    assert client.say("RSET") == b"+OK 3 messages, 96 octets\r\n"
    assert client.say("RETR 2").startswith(b"+OK 39 octets")
    client.say("DELE 1")
    assert client.say("RSET", "QUIT") == b"+OK 3 messages, 96 octets\r\n+OK Bye, 0 messages removed\r\n"
    assert mails.store.status(mails.mailbox().id).messages == 3


def test_deleted_messages_go_at_quit_and_only_then(mails):
    client = mails.login()
    client.say("DELE 1", "DELE 3")
    assert mails.store.status(mails.mailbox().id).messages == 3
    assert client.say("QUIT") == b"+OK Bye, 2 messages removed\r\n"
    assert client.closed is not None
    assert not client.closed.abort
    assert [copy.message.seq for copy in mails.store.copies(mails.mailbox().id)] == [2]
    assert len(mails.store.messages("")) == 3  # the messages themselves stay


@pytest.mark.parametrize("end", ["hang_up", "end_of_input"])
def test_without_quit_nothing_is_deleted(mails, end):
    client = mails.login()
    client.say("DELE 1")
    getattr(client, end)()
    if end == "end_of_input":
        assert client.closed is not None
        client.hang_up()
    assert mails.store.status(mails.mailbox().id).messages == 3
    assert mails.login().say("STAT") == b"+OK 3 96\r\n"  # and the lock is free


def test_silence_ends_it_without_a_word(mails):
    client = mails.login()
    client.say("DELE 1")
    assert client.session.timeout == 600
    assert client.session.expired() == b""  # RFC 1939, 3
    client.hang_up()
    assert mails.store.status(mails.mailbox().id).messages == 3


def test_a_client_that_half_closes_gets_every_reply(mails):
    client = mails.connect(greet=False)
    client.session.receive(b"USER bob@example.com\r\nPASS pw\r\nSTAT\r\nDELE 1\r\nQUIT\r\n")
    client.session.end_of_input()
    client.run()
    assert client.take().splitlines()[1:] == [
        b"+OK Go on with PASS", b"+OK 3 messages, 96 octets", b"+OK 3 96", b"+OK Message 1 marked as deleted",
        b"+OK Bye, 1 messages removed",
    ]  # fmt: skip


def test_what_happens_meanwhile_does_not_change_the_numbers(mails):
    client = mails.login()
    mails.put(b"Subject: late\r\n\r\n")
    mailbox = mails.mailbox().id
    mails.store.expunge(mailbox, [1])
    assert client.say("STAT") == b"+OK 3 96\r\n"
    assert client.say("RETR 1") == b"-ERR Somebody else has expunged that message\r\n"
    assert client.say("TOP 1 0") == b"-ERR Somebody else has expunged that message\r\n"
    assert client.say("RETR 2").startswith(b"+OK 39 octets")
    assert client.say("RETR 4") == b"-ERR No such message: there are 3\r\n"
    client.say("DELE 1", "DELE 2")
    assert client.say("QUIT") == b"+OK Bye, 1 messages removed\r\n"
    assert mails.errors == []
    assert [copy.uid for copy in mails.store.copies(mailbox)] == [3, 4]


def test_a_renumbered_mailbox_gives_no_wrong_message_and_loses_none(mails):
    client = mails.login()
    mailbox = mails.mailbox().id
    mails.store.expunge(mailbox, [1])
    mails.store.renumber(mailbox)  # UID 1 is now the second message
    assert client.say("RETR 1") == b"-ERR Somebody else has expunged that message\r\n"
    client.say("DELE 1")
    assert client.say("QUIT") == b"+OK Bye, 0 messages removed\r\n"
    assert mails.store.status(mailbox).messages == 2


def test_a_removed_account_is_told(mails):
    client = mails.login()
    client.say("DELE 1")
    key = mails.mailbox().account
    mails.store.remove_account(key)
    assert client.say("RETR 2").startswith(b"-ERR ")
    assert client.say("QUIT") == b"+OK Bye, 0 messages removed\r\n"
    assert mails.errors == []


def test_one_session_at_a_time_has_the_maildrop(mails):
    first = mails.login()
    second = mails.connect()
    assert second.say("USER bob@example.com", "PASS pw") == (
        b"+OK Go on with PASS\r\n-ERR [IN-USE] Another POP3 session has this maildrop\r\n"
    )
    assert second.record.user is None
    assert [refusal.stage for refusal in mails.root.refused] == ["PASS"]
    assert second.say("USER carol@example.com", "PASS pw").endswith(b"+OK 0 messages, 0 octets\r\n")
    first.say("QUIT")
    assert mails.login().say("STAT") == b"+OK 3 96\r\n"


def test_the_account_all_is_read_by_seq(mails):
    mails.put(b"Subject: other\r\n\r\n", account="carol@example.com")
    client = mails.login("all", "anything")
    assert client.say("STAT") == b"+OK 4 114\r\n"
    assert client.say("UIDL 4").endswith(b".4\r\n")
    assert client.say("RETR 4").startswith(b"+OK 18 octets\r\nSubject: other")
    client.say("DELE 4", "QUIT")
    assert mails.login("all", "anything").say("STAT") == b"+OK 3 96\r\n"  # hidden there alone
    assert mails.login("carol@example.com").say("STAT") == b"+OK 1 18\r\n"


def test_a_large_maildrop_is_opened_and_listed_in_pieces(world):
    for _ in range(2500):
        world.put(b"x\r\n")
    client = world.login()
    assert "Pause" in {type(step).__name__ for step in client.steps}
    assert client.say("STAT") == b"+OK 2500 7500\r\n"
    listing = client.say("LIST").splitlines()
    assert listing[1:] == [b"%d 3" % number for number in range(1, 2501)] + [b"."]
    assert client.say("RETR 2500") == b"+OK 3 octets\r\nx\r\n.\r\n"
