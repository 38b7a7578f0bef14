"""GETQUOTA, GETQUOTAROOT, SETQUOTA, and limits that are real (RFC 9208)."""

import pytest

from mailtrap.store.rows import Key

from .conftest import BOB, MAIL

EVE = "eve@example.com"


@pytest.fixture
def client(world):
    world.put()
    return world.login()


class TestTelling:
    def test_without_limits(self, client):
        assert client.ok(f"GETQUOTA {BOB}") == b"* QUOTA bob@example.com ()\r\n"
        assert client.ok("GETQUOTAROOT INBOX") == (
            b"* QUOTAROOT INBOX bob@example.com\r\n* QUOTA bob@example.com ()\r\n"
        )

    def test_units_of_1024_octets(self, world, client):
        world.store.set_quota(world.account(), 10 * 1024, 3)
        assert client.ok(f"GETQUOTA {BOB}") == b"* QUOTA bob@example.com (STORAGE 1 10 MESSAGE 1 3)\r\n"
        world.store.set_quota(world.account(), 2047, None)
        world.put(b"x" * 1500)
        assert client.ok(f"GETQUOTA {BOB.upper()}") == b"* QUOTA bob@example.com (STORAGE 2 1)\r\n"
        world.store.set_quota(world.account(), None, 0)
        assert client.ok(f'GETQUOTA "{BOB}"') == b"* QUOTA bob@example.com (MESSAGE 2 0)\r\n"

    def test_status(self, world, client):
        world.put(flags=["\\Deleted"])
        assert client.ok("STATUS INBOX (DELETED DELETED-STORAGE)") == (
            b"* STATUS INBOX (DELETED 1 DELETED-STORAGE %d)\r\n" % len(MAIL)
        )

    def test_of_others(self, world, client):
        eve = world.login(EVE)
        for root in (BOB, '""', "nothing"):
            assert eve.no(f"GETQUOTA {root}").startswith("NO [NONEXISTENT]")
        assert client.no(f"GETQUOTAROOT user/{EVE}/INBOX").startswith("NO [NONEXISTENT]")
        world.store.set_rights(world.mailbox().id, EVE, "lr")
        assert b" bob@example.com\r\n* QUOTA bob@example.com ()" in eve.ok(f"GETQUOTAROOT user/{BOB}/INBOX")

    @pytest.mark.parametrize("command", ["GETQUOTA", "GETQUOTA a b", "GETQUOTAROOT", "GETQUOTAROOT INBOX x"])
    def test_bad_commands(self, client, command):
        client.bad(command)


def test_the_root_of_what_is_not_there_yet(world, client):
    assert client.ok("GETQUOTAROOT a/b") == b"* QUOTAROOT a/b bob@example.com\r\n* QUOTA bob@example.com ()\r\n"
    assert world.store.mailbox(Key("", BOB), "a/b") is None
    assert client.no(f"GETQUOTAROOT user/{EVE}/INBOX").startswith("NO [NONEXISTENT]")
    assert client.no("GETQUOTAROOT user/nobody@example.com/x").startswith("NO [NONEXISTENT]")


def test_setting_only_where_it_is_allowed(client):
    assert "Unknown" in client.bad(f"SETQUOTA {BOB} (STORAGE 5)")
    assert b"QUOTASET" not in client.ok("CAPABILITY")


class TestSetting:
    @pytest.fixture
    def client(self, make_world):
        world = make_world(imap_capabilities=frozenset({"+QUOTASET"}))
        world.put()
        return world.login()

    def test_what_is_not_named_has_no_limit(self, client):
        assert client.ok(f"SETQUOTA {BOB} (STORAGE 5 MESSAGE 7)") == (
            b"* QUOTA bob@example.com (STORAGE 1 5 MESSAGE 1 7)\r\n"
        )
        assert client.ok(f"SETQUOTA {BOB} (MESSAGE 8)") == b"* QUOTA bob@example.com (MESSAGE 1 8)\r\n"
        assert client.ok(f"SETQUOTA {BOB} ()") == b"* QUOTA bob@example.com ()\r\n"
        assert client.world.store.account(Key("", BOB)).quota is None

    @pytest.mark.parametrize(
        "resource", ["MAILBOX 3", "X-FOO 0", "STORAGE 9007199254740992", f"STORAGE {(1 << 63) - 1}"]
    )
    def test_what_cannot_be_set_is_no(self, client, resource):
        assert client.no(f"SETQUOTA {BOB} (MESSAGE 5 {resource})").startswith("NO [CANNOT]")
        assert client.ok(f"GETQUOTA {BOB}") == b"* QUOTA bob@example.com ()\r\n"

    def test_the_highest_limits(self, client):
        client.ok(f"SETQUOTA {BOB} (STORAGE {(1 << 53) - 1} MESSAGE {(1 << 63) - 1})")
        assert b"STORAGE 1 9007199254740991 MESSAGE 1 9223372036854775807" in client.ok(f"GETQUOTA {BOB}")
        client.literal(b"APPEND INBOX {}", MAIL)
        assert b"MESSAGE 2 9223372036854775807" in client.ok(f"GETQUOTA {BOB}")

    @pytest.mark.parametrize(
        "arguments", ["", BOB, f"{BOB} (STORAGE)", f"{BOB} (STORAGE x)", f"{BOB} (STORAGE -1)",
                      f"{BOB} STORAGE 5", f"{BOB} (STORAGE 5) x", f"{BOB} (STORAGE {1 << 63})"]
    )  # fmt: skip
    def test_bad_commands(self, client, arguments):
        client.bad(f"SETQUOTA {arguments}".rstrip())
        assert client.ok(f"GETQUOTA {BOB}") == b"* QUOTA bob@example.com ()\r\n"

    def test_of_others(self, client):
        assert client.no(f"SETQUOTA {EVE} (STORAGE 5)").startswith("NO [NONEXISTENT]")
        assert client.world.login("all").no("SETQUOTA all (STORAGE 5)").startswith("NO [CANNOT]")


class TestLimits:
    """What does not fit is refused, whole, by each way in."""

    def test_append(self, world, client):
        world.store.set_quota(world.account(), 2 * len(MAIL), None)
        assert b"NO [OVERQUOTA]" in client.literal(b"APPEND INBOX {}", MAIL + b"x")
        assert b"OK [APPENDUID" in client.literal(b"APPEND INBOX {}", MAIL)
        world.store.set_quota(world.account(), None, 2)
        assert b"NO [OVERQUOTA]" in client.literal(b"APPEND INBOX {}", MAIL)

    def test_append_refuses_before_the_octets_are_read(self, world, client):
        world.store.set_quota(world.account(), None, 1)
        assert client.send(b"x APPEND INBOX {10}\r\n").startswith(b"x NO [OVERQUOTA]")

    def test_several_messages_that_are_one_too_many(self, world, client):
        world.store.set_quota(world.account(), None, 2)
        answer = client.literal(b"APPEND INBOX {} {}", MAIL, MAIL)
        assert b"NO [OVERQUOTA]" in answer
        assert len(world.store.copies(world.mailbox().id)) == 1

    def test_copy_but_not_move(self, world, client):
        client.ok("CREATE a")
        client.ok("SELECT INBOX")
        world.store.set_quota(world.account(), None, 1)
        assert client.no("COPY 1 a").startswith("NO [OVERQUOTA]")
        assert client.ok("MOVE 1 a")

    def test_the_target_owners_counts(self, world, client):
        world.put(account=EVE)
        world.store.set_rights(world.mailbox().id, EVE, "lri")
        world.store.set_quota(world.account(), None, 1)
        eve = world.select(user=EVE)
        for command in (f"COPY 1 user/{BOB}/INBOX", f"MOVE 1 user/{BOB}/INBOX"):
            assert eve.no(command).startswith("NO [OVERQUOTA]")
        assert b"NO [OVERQUOTA]" in eve.literal(f"APPEND user/{BOB}/INBOX {{}}".encode(), MAIL)
