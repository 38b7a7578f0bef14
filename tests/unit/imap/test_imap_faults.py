"""Fault rules and errors of the server, as a client sees them."""

import pytest

from mailtrap.errors import StoreError
from mailtrap.wire.steps import Close, Delay


@pytest.fixture
def rule(world):
    """Makes a rule on the IMAP listener."""

    def make(command: str, stage: str = "before", times: int | None = None, **match: str):
        return world.rules.add(world.scopes.root, "imap", command, stage=stage, times=times, match=match)

    return make


@pytest.fixture
def client(world):
    world.put()
    client = world.select()
    client.record.listener = "imap"
    return client


class TestRules:
    @pytest.mark.parametrize(
        ("reply", "said"),
        [
            ("NO", b"NO go away"),
            ("BAD", b"BAD go away"),
            ("OK", b"OK go away"),
            (450, b"NO go away"),
            ("no", b"NO go away"),
        ],
    )
    def test_respond_with(self, world, client, rule, reply, said):
        rule("STORE", times=1).respond_with(reply, "go away")
        assert client.raw("STORE 1 +FLAGS (\\Seen)") == (b"", said)
        assert world.flags(1) == frozenset()
        client.ok("STORE 1 +FLAGS (\\Seen)")

    def test_a_code_in_the_text(self, client, rule):
        rule("SELECT").respond_with("NO", "[NONEXISTENT] No such mailbox")
        assert client.no("SELECT INBOX") == "NO [NONEXISTENT] No such mailbox"

    def test_bye(self, client, rule):
        rule("NOOP").respond_with("BYE", "[UNAVAILABLE] Going down")
        assert client.send(b"a NOOP\r\n") == b"* BYE [UNAVAILABLE] Going down\r\n"
        assert client.closed is not None

    def test_uid_commands_are_matched_by_their_verb(self, client, rule):
        rule("FETCH").respond_with("NO", "x")
        client.no("FETCH 1 FLAGS")
        client.no("UID FETCH 1 FLAGS")

    def test_by_mailbox(self, client, rule):
        rule("CREATE", mailbox="a b").respond_with("NO", "x")
        rule("FETCH", mailbox="INBOX").respond_with("NO", "y")
        client.ok("CREATE a")
        client.no('CREATE "a b"')
        client.no("FETCH 1 FLAGS")

    def test_by_user(self, world, rule):
        rule("LOGIN", user="eve").respond_with("NO", "[AUTHENTICATIONFAILED] no")
        client = world.connect()
        client.record.listener = "imap"
        client.no("LOGIN eve pw")
        client.ok("LOGIN bob pw")

    def test_the_reply_alone_is_replaced(self, world, client, rule):
        rule("STORE", stage="reply").respond_with("NO", "lost")
        assert client.raw("STORE 1 +FLAGS (\\Seen)")[1] == b"NO lost"
        assert world.flags(1) == {"\\Seen"}

    @pytest.mark.parametrize("stage", ["before", "reply", "after"])
    def test_disconnect(self, world, client, rule, stage):
        rule("STORE", stage=stage).disconnect(reset=True)
        answer = client.send(b"a STORE 1 +FLAGS (\\Seen)\r\n")
        assert client.closed == Close(abort=True, reset=True)
        assert (b"a OK" in answer) == (stage == "after")
        assert (world.flags(1) == {"\\Seen"}) == (stage != "before")

    def test_delay_and_run(self, world, client, rule):
        calls = []
        rule("NOOP").delay(1.5).run(lambda: calls.append(world.store.expunge(world.mailbox().id, [1])))
        assert client.ok("NOOP") == b"* 1 EXPUNGE\r\n"
        assert Delay(1.5) in client.steps
        assert calls == [[1]]

    def test_raise(self, world, client, rule):
        rule("NOOP", times=1).raise_(ValueError("a bug"))
        assert client.no("NOOP").startswith("NO [SERVERBUG] Internal error")
        assert [str(error) for error in world.errors] == ["a bug"]
        assert client.ok("NOOP")

    def test_the_greeting(self, world, rule):
        rule("CONNECT", times=1).respond_with("BYE", "too many")
        world_client = world.connect
        client = _listening(world_client)
        assert client.closed is not None
        assert client.out == b"* BYE too many\r\n"

    def test_unread_commands_of_bad_syntax_do_not_matter_to_rules(self, client, rule):
        rule("CREATE", mailbox="x").respond_with("NO", "x")
        client.bad('CREATE "x')


def _listening(connect):
    """A client whose session knows its listener before the greeting."""
    from .conftest import Client

    world = connect.__self__
    client = Client(world)
    client.record.listener = "imap"
    client.run()
    return client


class TestErrors:
    def test_a_bug_in_a_handler(self, world, client):
        def broken(*args, **kwargs):
            raise RuntimeError("secret detail")

        world.store.set_flags = broken
        said = client.no("STORE 1 +FLAGS (\\Seen)")
        assert said == "NO [SERVERBUG] Internal error"
        assert [str(error) for error in world.errors] == ["secret detail"]
        assert client.ok("FETCH 1 FLAGS")

    def test_a_store_that_fails(self, world, client):
        def broken(*args, **kwargs):
            raise StoreError("disk on fire")

        world.store.copies = world.store.snapshot = broken
        assert client.no("FETCH 1 FLAGS").startswith("NO [UNAVAILABLE]")
        assert "fire" not in client.no("SELECT INBOX")
        assert len(world.errors) == 2

    def test_a_store_that_fails_while_news_is_told(self, world, client):
        def broken(*args, **kwargs):
            raise StoreError("disk on fire")

        world.store.changes = broken
        assert client.ok("CHECK")
        assert len(world.errors) == 1

    def test_a_bug_while_news_is_told(self, world, client):
        def broken(*args, **kwargs):
            raise RuntimeError("bug")

        world.store.changes = broken
        client.raw("CHECK")
        assert len(world.errors) == 1
        del world.store.changes
        assert client.ok("CHECK")

    def test_a_bug_while_a_literal_is_decided_on(self, world, client):
        def broken(*args, **kwargs):
            raise RuntimeError("bug")

        world.store.mailbox = broken
        assert client.send(b"a APPEND INBOX {3}\r\n").startswith(b"a NO [SERVERBUG]")
        del world.store.mailbox
        assert client.ok("NOOP")
