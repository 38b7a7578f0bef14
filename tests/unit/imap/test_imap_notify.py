"""NOTIFY (RFC 5465)."""

import pytest

from mailtrap import limits
from mailtrap.errors import StoreError

from .conftest import BOB, MAIL

EVE = "eve@example.com"
EVENTS = "(MessageNew MessageExpunge)"
FLAGS_TOO = "(MessageNew MessageExpunge FlagChange)"


@pytest.fixture
def client(world):
    world.put()
    world.store.create_mailbox(world.account(), "Work")
    return world.login()


def told(client) -> bytes:
    """What a session says by itself when it is woken."""
    return client.woken()


class TestCommand:
    @pytest.mark.parametrize(
        "arguments",
        [
            "", "NEVER", "NONE x", "SET", "SET STATUS", "SET (personal)", "SET personal NONE", "SET (personal ())",
            "SET (personal MessageNew)", "SET (personal (MessageNew))", "SET (personal (MessageExpunge))",
            "SET (personal (FlagChange))", "SET (somewhere NONE)", "SET (mailboxes NONE)", "SET (mailboxes () NONE)",
            "SET (selected (MailboxName))", "SET (selected-delayed (MessageNew MessageExpunge SubscriptionChange))",
            "SET (selected NONE) (selected-delayed NONE)", "SET (selected NONE) (selected NONE)",
            "SET (personal (MessageNew (UID) MessageExpunge))", "SET (selected (MessageNew () MessageExpunge))",
            "SET (selected (MessageNew (NONSENSE) MessageExpunge))", "SET (personal NONE) x", "SET (personal NONE",
            "SET (personal (AnnotationChange))", "SET  (personal NONE)",
        ],
    )  # fmt: skip
    def test_bad_commands(self, world, client, arguments):
        client.bad(f"NOTIFY {arguments}".rstrip())
        world.put()
        assert told(client) == b""

    @pytest.mark.parametrize("event", ["AnnotationChange", "SomethingElse"])
    def test_events_that_there_are_not(self, client, event):
        assert client.no(f"NOTIFY SET (personal (MessageNew MessageExpunge {event}))").startswith(
            "NO [BADEVENT (FlagChange MailboxMetadataChange MailboxName MessageExpunge MessageNew "
            "ServerMetadataChange SubscriptionChange)]"
        )

    def test_status_of_the_mailboxes(self, client):
        client.ok("SELECT INBOX")
        answer = client.ok(f"NOTIFY SET STATUS (selected {EVENTS}) (personal {FLAGS_TOO})")
        assert answer.startswith(b"* STATUS Work (MESSAGES 0 UIDNEXT 1 UIDVALIDITY ")
        assert answer.endswith(b" UNSEEN 0 HIGHESTMODSEQ 1)\r\n")  # RFC 5465, 3.1: with FlagChange, enabled or not
        assert b"INBOX" not in answer
        assert client.ok(f"NOTIFY SET STATUS (mailboxes Work {EVENTS}) (personal NONE)").count(b"STATUS") == 1

    def test_with_condstore_the_modseq(self, client):
        client.ok("ENABLE CONDSTORE")
        assert b" HIGHESTMODSEQ 1)" in client.ok(f"NOTIFY SET STATUS (mailboxes Work {EVENTS})")

    def test_none_ends_it(self, world, client):
        client.ok(f"NOTIFY SET (personal {EVENTS})")
        assert client.ok("NOTIFY NONE")
        world.put()
        assert told(client) == b""
        assert client.watching == ()

    def test_without_the_capability(self, make_world):
        client = make_world(imap_capabilities=frozenset({"-NOTIFY"})).login()
        assert "Unknown" in client.bad("NOTIFY NONE")

    def test_only_after_the_login(self, world):
        assert "CLIENTBUG" in world.connect().bad("NOTIFY NONE")

    def test_too_many_mailboxes(self, world, client, monkeypatch):
        monkeypatch.setattr(limits, "IMAP_NOTIFIED", 2)
        client.ok(f"NOTIFY SET (personal {EVENTS})")
        world.store.create_mailbox(world.account(), "Third")
        assert told(client).startswith(b"* OK [NOTIFICATIONOVERFLOW] ")
        world.put()
        assert told(client) == b""
        assert client.no(f"NOTIFY SET (personal {EVENTS})").startswith("NO [NOTIFICATIONOVERFLOW]")


class TestOtherMailboxes:
    def test_mail_comes_goes_and_is_read(self, world, client):
        client.ok(f"NOTIFY SET (personal {FLAGS_TOO})")
        uidvalidity = world.mailbox("Work").uidvalidity
        world.put(mailbox="Work")
        assert told(client) == b"* STATUS Work (MESSAGES 1 UIDNEXT 2 UIDVALIDITY %d UNSEEN 1)\r\n" % uidvalidity
        world.store.set_flags(world.mailbox("Work").id, [1], ["\\Seen"], "add")
        assert told(client) == b"* STATUS Work (MESSAGES 1 UIDNEXT 2 UIDVALIDITY %d UNSEEN 0)\r\n" % uidvalidity
        world.store.expunge(world.mailbox("Work").id, [1])
        assert b"(MESSAGES 0 UIDNEXT 2 " in told(client)
        assert told(client) == b""

    def test_what_was_not_asked_for_is_not_told(self, world, client):
        client.ok(f"NOTIFY SET (personal {EVENTS})")
        world.store.set_flags(world.mailbox().id, [1], ["\\Seen"], "add")
        assert told(client) == b""
        world.put()
        assert b"* STATUS INBOX (MESSAGES 2 UIDNEXT 3 " in told(client)

    def test_the_first_group_counts(self, world, client):
        client.ok(f"NOTIFY SET (mailboxes (Work) NONE) (personal {EVENTS})")
        world.put(mailbox="Work")
        assert told(client) == b""
        world.put()
        assert b"STATUS INBOX" in told(client)

    @pytest.mark.parametrize(
        ("filter_", "names"),
        [
            ("inboxes", ["INBOX"]),
            ("personal", ["INBOX", "Work", "Work/a", "Work/a/b"]),
            ("subscribed", ["INBOX", "Work/a"]),
            ("subtree Work", ["Work", "Work/a", "Work/a/b"]),
            ("subtree (Work/a inbox)", ["INBOX", "Work/a", "Work/a/b"]),
            ("mailboxes (Work/a Nothing)", ["Work/a"]),
            ("mailboxes inbox", ["INBOX"]),
        ],
    )
    def test_filters(self, world, client, filter_, names):
        client.ok("CREATE Work/a/b")
        client.ok("CREATE Work/a")
        client.ok("SUBSCRIBE Work/a")
        client.ok(f"NOTIFY SET ({filter_} {EVENTS})")
        for name in ("INBOX", "Work", "Work/a", "Work/a/b"):
            world.put(mailbox=name)
            answer = told(client)
            assert (b"* STATUS %b (" % name.encode() in answer) == (name in names), name

    def test_a_mailbox_that_comes_to_be_is_watched_too(self, world, client):
        client.ok(f"NOTIFY SET (subtree Work {EVENTS})")
        world.store.create_mailbox(world.account(), "Work/new")
        assert told(client) == b""
        world.put(mailbox="Work/new")
        assert b"* STATUS Work/new (MESSAGES 1 " in told(client)

    def test_a_renumbered_mailbox(self, world, client):
        client.ok(f"NOTIFY SET (personal {EVENTS})")
        uidvalidity = world.store.renumber(world.mailbox().id)
        assert b"UIDVALIDITY %d" % uidvalidity in told(client)

    def test_the_selected_one_is_told_by_its_own_group(self, world, client):
        client.ok("SELECT INBOX")
        client.ok(f"NOTIFY SET (personal {EVENTS})")
        world.put()
        assert told(client) == b""
        assert b"* 2 EXISTS" in client.ok("NOOP")
        client.ok("UNSELECT")
        world.put()
        assert b"* STATUS INBOX (MESSAGES 3 " in told(client)

    def test_other_users_mailboxes(self, world, client):
        box = world.store.create_mailbox(world.account(EVE), "Team")
        world.store.set_rights(box.id, BOB, "lr")
        client.ok("NOTIFY SET (subtree user (MailboxName MessageNew MessageExpunge))")
        world.put(mailbox="Team", account=EVE)
        assert b'* STATUS "user/eve@example.com/Team" (MESSAGES 1 ' in told(client)
        world.store.set_rights(box.id, BOB, "l")
        assert told(client) == b'* LIST (\\NoAccess) "/" "user/eve@example.com/Team"\r\n'
        world.put(mailbox="Team", account=EVE)
        assert told(client) == b""
        world.store.set_rights(box.id, BOB, "lr")
        answer = told(client)
        assert answer.startswith(b'* LIST () "/" "user/eve@example.com/Team"\r\n* STATUS ')
        assert b" (MESSAGES 2 " in answer
        world.put(mailbox="Team", account=EVE)
        assert b'* STATUS "user/eve@example.com/Team" (MESSAGES 3 ' in told(client)
        world.store.set_rights(box.id, BOB, None)
        assert told(client) == b'* LIST (\\NonExistent) "/" "user/eve@example.com/Team"\r\n'

    def test_what_can_be_listed_and_not_be_read(self, world, client):
        # RFC 5465, 3.1 and 5.9
        boxes = [world.store.create_mailbox(world.account(EVE), name) for name in ("Seen", "Read", "Hidden")]
        for box, rights in zip(boxes, ("l", "lr", ""), strict=True):
            world.store.set_rights(box.id, BOB, rights)
        answer = client.ok(f"NOTIFY SET STATUS (subtree user {EVENTS})")
        assert answer.startswith(b'* LIST (\\NoAccess) "/" "user/eve@example.com/Seen"\r\n* STATUS ')
        assert answer.count(b"\r\n") == 2
        assert b"Hidden" not in answer
        world.store.set_rights(boxes[1].id, BOB, None)
        assert told(client) == b'* LIST (\\NoAccess) "/" "user/eve@example.com/Read"\r\n'
        world.put(mailbox="Read", account=EVE)
        assert told(client) == b""

    def test_groups_add_up(self, world, client):
        # RFC 5465, 6
        client.ok(f"NOTIFY SET (mailboxes INBOX {EVENTS}) (personal (SubscriptionChange MailboxName))")
        world.put()
        assert b"* STATUS INBOX (MESSAGES 2 " in told(client)
        client.ok("NOOP")
        world.store.subscribe(world.account(), "INBOX", False)
        assert told(client) == b'* LIST (\\HasNoChildren) "/" INBOX\r\n'
        world.put(mailbox="Work")
        assert told(client) == b""

    def test_none_leaves_a_mailbox_out_of_what_stands_behind_it(self, world, client):
        client.ok(f"NOTIFY SET (mailboxes Work NONE) (personal {EVENTS})")
        world.put(mailbox="Work")
        assert told(client) == b""
        world.put()
        assert b"* STATUS INBOX " in told(client)

    def test_nothing_is_told_into_a_command(self, world, client):
        client.ok(f"NOTIFY SET (personal {EVENTS})")
        assert client.send(b"x APPEND Work {%d}\r\n" % len(MAIL)) == b"+ Ready for the literal\r\n"
        world.put()
        assert client.woken() == b""
        answer = client.send(MAIL + b"\r\n")
        assert answer.startswith(b"x OK ")
        assert b"* STATUS INBOX (MESSAGES 2 " in answer
        assert b"* STATUS Work (MESSAGES 1 " in answer

    def test_in_idle(self, world, client):
        client.ok("SELECT INBOX")
        client.ok(f"NOTIFY SET (selected {EVENTS}) (personal (MailboxName MessageNew MessageExpunge))")
        client.send(b"x IDLE\r\n")
        world.put(mailbox="Work")
        assert b"* STATUS Work (MESSAGES 1 " in told(client)
        world.put()
        assert b"* 2 EXISTS" in told(client)
        world.store.create_mailbox(world.account(), "Made")
        assert told(client) == b'* LIST (\\HasNoChildren) "/" Made\r\n'
        world.put(mailbox="Made")
        assert b"* STATUS Made (MESSAGES 1 " in told(client)
        assert client.send(b"DONE\r\n").startswith(b"x OK")
        world.put(mailbox="Made")
        assert b"* STATUS Made (MESSAGES 2 " in told(client)

    def test_what_comes_before_it_is_watched_is_told_too(self, world, client):
        subscriptions = world.store.subscriptions

        def deliver(key):  # between the two looks at the mailboxes
            world.store.subscriptions = subscriptions
            world.put(mailbox="Fresh")
            return subscriptions(key)

        world.store.subscriptions = deliver
        answer = client.send(b"x NOTIFY SET (personal (MailboxName MessageNew MessageExpunge))\r\n")
        assert b'* LIST (\\HasNoChildren) "/" Fresh\r\n' in answer
        world.put(mailbox="Fresh")
        assert b"* STATUS Fresh (MESSAGES 2 " in told(client)

    def test_a_store_that_fails_once(self, world, client):
        client.ok(f"NOTIFY SET (personal {EVENTS})")
        mailboxes = world.store.mailboxes

        def fail(key):
            world.store.mailboxes = mailboxes
            raise StoreError("not now")

        world.store.mailboxes = fail
        world.put()
        assert told(client) == b""
        assert [str(error) for error in world.errors] == ["not now"]
        world.put()
        assert b"* STATUS INBOX (MESSAGES 3 " in told(client)

    def test_after_the_login_is_forgotten(self, world, client):
        client.ok(f"NOTIFY SET (personal {EVENTS})")
        client.ok("UNAUTHENTICATE")
        assert client.watching == ()
        world.put()
        assert told(client) == b""


class TestSelected:
    @pytest.fixture
    def client(self, world):
        for _ in range(3):
            world.put()
        return world.select()

    def test_everything_at_once(self, world, client):
        client.ok(f"NOTIFY SET (selected {FLAGS_TOO})")
        world.put()
        assert told(client) == b"* 4 EXISTS\r\n* 4 RECENT\r\n"
        world.store.set_flags(world.mailbox().id, [1], ["\\Seen"], "add")
        assert told(client) == b"* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))\r\n"
        world.store.expunge(world.mailbox().id, [2])
        assert told(client) == b"* 2 EXPUNGE\r\n"

    def test_delayed_expunges_wait_for_a_command(self, world, client):
        client.ok(f"NOTIFY SET (selected-delayed {FLAGS_TOO})")
        world.store.expunge(world.mailbox().id, [2])
        assert told(client) == b""
        world.put()
        assert told(client) == b"* 4 EXISTS\r\n* 4 RECENT\r\n"
        assert b"EXPUNGE" not in client.ok("FETCH 1 UID")
        assert client.ok("NOOP") == b"* 2 EXPUNGE\r\n"

    def test_no_expunge_before_a_command_with_numbers_that_came_already(self, world, client):
        client.ok(f"NOTIFY SET (selected {EVENTS})")
        client.session.receive(b"x FETCH 3 UI")
        world.store.expunge(world.mailbox().id, [1])
        assert told(client) == b""
        assert client.send(b"D\r\n") == b"* 3 FETCH (UID 3)\r\nx OK FETCH completed\r\n"
        assert client.ok("NOOP") == b"* 1 EXPUNGE\r\n"

    def test_no_flags_where_they_were_not_asked_for(self, world, client):
        client.ok(f"NOTIFY SET (selected {EVENTS})")
        world.store.set_flags(world.mailbox().id, [1], ["\\Seen"], "add")
        assert told(client) == b""
        assert client.ok("NOOP") == b"*"

    def test_none_of_it(self, world, client):
        client.ok("NOTIFY SET (selected NONE)")
        world.put()
        assert told(client) == b""
        assert b"* 4 EXISTS" in client.ok("NOOP")

    @pytest.mark.parametrize("kind", ["selected", "selected-delayed"])
    def test_items_of_new_messages(self, world, client, kind):
        client.ok(f"NOTIFY SET ({kind} (MessageNew (UID BODY[HEADER.FIELDS (SUBJECT)]) MessageExpunge))")
        world.put()
        answer = told(client)
        assert answer.startswith(b"* 4 EXISTS\r\n* 4 RECENT\r\n* 4 FETCH (UID 4 BODY[HEADER.FIELDS (SUBJECT)] {18}\r\n")
        assert world.flags(4) == frozenset()
        world.put()
        assert b"* 5 FETCH (UID 5 BODY" in client.ok("NOOP")

    def test_the_next_selected_one(self, world, client):
        client.ok(f"NOTIFY SET (selected {EVENTS})")
        client.ok("CREATE Other")
        client.ok("SELECT Other")
        world.put()
        assert told(client) == b""
        world.put(mailbox="Other")
        assert b"* 1 EXISTS" in told(client)

    def test_with_qresync_and_uidonly(self, world, client):
        client = world.login()
        client.ok("ENABLE QRESYNC UIDONLY")
        client.ok("SELECT INBOX")
        client.ok(f"NOTIFY SET (selected {FLAGS_TOO})")
        world.store.set_flags(world.mailbox().id, [3], ["\\Seen"], "add")
        assert told(client).startswith(b"* 3 UIDFETCH (FLAGS (\\Seen) MODSEQ (")
        world.store.expunge(world.mailbox().id, [1, 2])
        assert told(client) == b"* VANISHED 1:2\r\n"

    def test_a_deleted_mailbox(self, world, client):
        client.ok("CREATE Other")
        client.ok("SELECT Other")
        client.ok(f"NOTIFY SET (selected {EVENTS})")
        world.store.delete_mailbox(world.mailbox("Other").id)
        assert told(client).startswith(b"* BYE ")


class TestNames:
    def test_mailboxes_come_go_and_are_renamed(self, world, client):
        client.ok("NOTIFY SET (personal (MailboxName))")
        store, key = world.store, world.account()
        row = store.create_mailbox(key, "a/b")
        assert told(client) == (b'* LIST (\\Noselect \\HasChildren) "/" a\r\n* LIST (\\HasNoChildren) "/" a/b\r\n')
        store.rename_mailbox(row.id, "c")
        assert told(client) == b'* LIST (\\HasNoChildren) "/" c ("OLDNAME" (a/b))\r\n'
        store.create_mailbox(key, "a")
        assert told(client) == b'* LIST (\\HasNoChildren) "/" a\r\n'
        store.delete_mailbox(row.id)
        assert told(client) == b'* LIST (\\NonExistent) "/" c\r\n'
        store.delete_mailbox(store.create_mailbox(key, "d").id)
        assert told(client) == b""

    def test_a_deleted_one_with_children(self, world, client):
        client.ok("CREATE Work/x")
        client.ok("NOTIFY SET (personal (MailboxName))")
        world.store.delete_mailbox(world.mailbox("Work").id)
        assert told(client) == b'* LIST (\\Noselect \\HasChildren) "/" Work\r\n'

    def test_the_one_above_is_told_of_too(self, world, client):
        # RFC 5465, 5.4: the direct parent is affected
        client.ok("CREATE Work/x/y")
        client.ok("NOTIFY SET (personal (MailboxName))")
        row = world.store.create_mailbox(world.account(), "Work/x/y/z")
        assert told(client) == (b'* LIST (\\HasNoChildren) "/" Work/x/y/z\r\n* LIST (\\HasChildren) "/" Work/x/y\r\n')
        world.store.delete_mailbox(row.id)
        assert told(client) == (b'* LIST (\\NonExistent) "/" Work/x/y/z\r\n* LIST (\\HasNoChildren) "/" Work/x/y\r\n')

    def test_children_of_a_renamed_one_are_not_told(self, world, client):
        # RFC 5465, 5.4
        for name in ("Work/x/y", "Work/z"):
            client.ok(f"CREATE {name}")
        client.ok("NOTIFY SET (personal (MailboxName))")
        world.store.rename_mailbox(world.mailbox("Work").id, "Play")
        assert told(client) == b'* LIST (\\HasChildren) "/" Play ("OLDNAME" (Work))\r\n'
        client.ok("NOTIFY SET (subtree Play/x (MailboxName))")
        world.store.rename_mailbox(world.mailbox("Play/x/y").id, "Play/x/w")
        assert told(client) == b'* LIST (\\HasNoChildren) "/" Play/x/w ("OLDNAME" (Play/x/y))\r\n'

    def test_names_as_the_client_writes_them(self, make_world):
        world = make_world(imap_separator=".", imap_namespace="INBOX")
        client = world.login()
        client.ok("NOTIFY SET (personal (MailboxName))")
        row = world.store.create_mailbox(world.account(), "\u00e9")
        assert told(client) == (b'* LIST (\\HasNoChildren) "." "INBOX.&AOk-"\r\n* LIST (\\HasChildren) "." INBOX\r\n')
        client.ok("ENABLE UTF8=ACCEPT")
        world.store.rename_mailbox(row.id, "\u00fc/x")
        line = '* LIST (\\HasNoChildren) "." "INBOX.\u00fc.x" ("OLDNAME" ("INBOX.\u00e9"))\r\n'
        assert line.encode() in told(client)

    def test_subscriptions(self, world, client):
        client.ok("NOTIFY SET (personal (SubscriptionChange))")
        world.store.subscribe(world.account(), "Work")
        assert told(client) == b'* LIST (\\HasNoChildren \\Subscribed) "/" Work\r\n'
        world.store.subscribe(world.account(), "Work", False)
        assert told(client) == b'* LIST (\\HasNoChildren) "/" Work\r\n'
        # RFC 5465, 5.5: all attributes are right
        client.ok("CREATE Up/Out (USE (\\Sent))")
        for name, attributes in (("Up", b"\\Noselect \\HasChildren"), ("Up/Out", b"\\HasNoChildren \\Sent")):
            world.store.subscribe(world.account(), name)
            assert told(client) == b'* LIST (%b \\Subscribed) "/" %b\r\n' % (attributes, name.encode())

    def test_annotations(self, world, client):
        client.ok("NOTIFY SET (personal (MailboxMetadataChange ServerMetadataChange))")
        world.store.annotate(world.account(), world.mailbox().id, {"/shared/a": b"1", "/private/b": b"2"})
        assert told(client) == b"* METADATA INBOX /private/b /shared/a\r\n"
        world.store.annotate(world.account(), world.mailbox().id, {"/private/b": None, "/shared/a": b"1"})
        assert told(client) == b"* METADATA INBOX /private/b\r\n"
        world.store.annotate(world.account(EVE), None, {"/shared/c": b"3", "/private/d": b"4"})
        assert told(client) == b'* METADATA "" /shared/c\r\n'
