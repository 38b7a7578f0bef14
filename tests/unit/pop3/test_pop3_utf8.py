"""UTF8 (RFC 6856): what a client gets that said it, and what one that did not (RFC 6858)."""

import pytest

PLAIN = b"Subject: plain\r\n\r\none\r\n"
INTERNATIONAL = "From: Jürgen <jürgen@x.test>\nSubject: Grüße\nX-Other: ä\n\nerste Zeile: ü\nzweite\n".encode()
SERVED = INTERNATIONAL.replace(b"\n", b"\r\n")
LATIN = "Subject: Grüße\r\n\r\nNo UTF-8\r\n".encode("latin-1")
SURROGATE = (
    "From: =?utf-8?b?SsO8cmdlbiBqw7xyZ2VuQHgudGVzdA==?= <internationalized@address.invalid>\r\n"
    "Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n\r\nerste Zeile: ü\r\nzweite\r\n"
).encode()


@pytest.fixture
def mails(world):
    for raw in (PLAIN, INTERNATIONAL, LATIN):
        world.put(raw)
    return world


@pytest.fixture(params=[False, True], ids=["without", "with UTF8"])
def session(request, mails):
    """A session, and the second message as it gets it."""
    client = mails.connect()
    if request.param:
        assert client.say("UTF8") == b"+OK UTF8 enabled\r\n"
    client.say("USER bob@example.com")
    client.say("PASS any")
    return client, SERVED if request.param else SURROGATE


def test_sizes_are_those_of_what_is_sent(session):
    client, second = session
    sizes = [len(PLAIN), len(second), len(LATIN)]
    assert client.say("STAT") == b"+OK 3 %d\r\n" % sum(sizes)
    assert client.say("LIST").split(b"\r\n")[1:4] == [b"%d %d" % pair for pair in enumerate(sizes, 1)]
    for number, raw in enumerate((PLAIN, second, LATIN), 1):
        assert client.say(f"RETR {number}") == b"+OK %d octets\r\n%b.\r\n" % (len(raw), raw)


def test_lines_of_top_are_those_of_what_is_sent(session):
    client, second = session
    header, _, body = second.partition(b"\r\n\r\n")
    first = body.partition(b"\r\n")[0]
    assert client.say("TOP 2 1") == b"+OK Top follows\r\n%b\r\n\r\n%b\r\n.\r\n" % (header, first)


def test_unique_ids_are_the_same(mails):
    with_it = mails.connect()
    with_it.say("UTF8")
    with_it.say("USER bob@example.com")
    with_it.say("PASS any")
    first = with_it.say("UIDL")
    with_it.say("QUIT")
    assert mails.login().say("UIDL") == first


def test_header_fields_of_the_copy(world):
    """A prefix may name an address that is not ASCII."""
    prefix = "Delivered-To: jürgen@x.test\r\nReturn-Path: <a@x>\r\n".encode()
    world.put(PLAIN, prefix=prefix)
    world.put(INTERNATIONAL, prefix=prefix)
    plain = b"Return-Path: <a@x>\r\n"
    client = world.login()
    assert client.say("RETR 1") == b"+OK %d octets\r\n%b.\r\n" % (len(plain + PLAIN), plain + PLAIN)
    assert client.say("RETR 2") == b"+OK %d octets\r\n%b.\r\n" % (len(plain + SURROGATE), plain + SURROGATE)
    assert client.say("STAT") == b"+OK 2 %d\r\n" % (2 * len(plain) + len(PLAIN + SURROGATE))


def test_the_capability_taken_away(world):
    world.root.change(pop3_capabilities=["-UTF8"])
    client = world.connect()
    assert client.say("UTF8") == b"-ERR Unknown command\r\n"
    assert b"UTF8" not in client.say("CAPA")


def test_a_message_that_was_cleared_while_the_maildrop_was_opened(mails, monkeypatch):
    whole = mails.store.facts
    monkeypatch.setattr(mails.store, "facts", lambda seqs, kinds: [None, *whole(seqs, kinds)[1:]])
    assert mails.login().say("LIST 1") == b"+OK 1 %d\r\n" % len(PLAIN)
