"""Nothing is offered without being there."""

import re
from collections.abc import Callable

import pytest

from mailtrap.imap import searching
from mailtrap.imap.capabilities import TABLE
from mailtrap.imap.commands import COMMANDS
from mailtrap.wire.steps import StartDeflate

from .conftest import MAIL, Client, World


def told_of_progress(client: Client) -> bool:
    """Whether a search that is interrupted says how far it is."""
    client.world.scopes.root.change(imap_progress=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "_LONG", -1.0)
        return b'* OK [INPROGRESS ("T' in client.ok("SEARCH TEXT x")


# For each capability a use of it, which fails where it is not there.
PROOFS: dict[str, Callable[[Client], bool]] = {
    "IMAP4rev1": lambda c: bool(c.ok("NOOP")),
    "SASL-IR": lambda c: c.world.connect().ok("AUTHENTICATE PLAIN AGV2ZUBleGFtcGxlLmNvbQBwdw==") == b"*",
    "LITERAL-": lambda c: c.send(b"x CREATE {2+}\r\nli\r\n").startswith(b"x OK"),
    "LITERAL+": lambda c: c.send(b"x APPEND INBOX {5000+}\r\n" + b"x" * 5000 + b"\r\n").find(b"x OK") >= 0,
    "ID": lambda c: c.ok("ID NIL").startswith(b"* ID ("),
    "ENABLE": lambda c: c.ok("ENABLE X") == b"* ENABLED\r\n",
    "IDLE": lambda c: c.send(b"x IDLE\r\nDONE\r\n").startswith(b"+ "),
    "NAMESPACE": lambda c: c.ok("NAMESPACE").startswith(b"* NAMESPACE"),
    "UNSELECT": lambda c: bool(c.ok("UNSELECT")),
    "CHILDREN": lambda c: b"\\HasNoChildren" in c.ok('LIST "" INBOX'),
    "LIST-EXTENDED": lambda c: b"\\Subscribed" in c.ok('LIST (SUBSCRIBED) "" (INBOX x) RETURN (CHILDREN)'),
    "LIST-STATUS": lambda c: b"* STATUS INBOX (MESSAGES" in c.ok('LIST "" INBOX RETURN (STATUS (MESSAGES))'),
    "SPECIAL-USE": lambda c: c.ok('LIST (SPECIAL-USE) "" * RETURN (SPECIAL-USE)') == b"*",
    "CREATE-SPECIAL-USE": lambda c: bool(c.ok("CREATE Out (USE (\\Sent))")),
    "STATUS=SIZE": lambda c: b"SIZE %d" % len(MAIL) in c.ok("STATUS INBOX (SIZE)"),
    "UIDPLUS": lambda c: bool(c.ok("UID EXPUNGE 1")) and b"[COPYUID " in c.raw("UID COPY 1 INBOX")[1],
    "MOVE": lambda c: b"EXPUNGE" in c.ok("MOVE 1 INBOX"),
    "MULTIAPPEND": lambda c: b"x OK" in c.send(b"x APPEND INBOX {1+}\r\nx {1+}\r\ny\r\n"),
    "ESEARCH": lambda c: b"COUNT 1" in c.ok("SEARCH RETURN (COUNT) ALL"),
    "SEARCHRES": lambda c: bool(c.ok("SEARCH RETURN (SAVE) ALL")) and b"* 1 FETCH" in c.ok("FETCH $ UID"),
    "CONDSTORE": lambda c: b"* 1 FETCH (MODSEQ (" in c.ok("FETCH 1 MODSEQ"),
    "QRESYNC": lambda c: b"* VANISHED 1\r\n" in c.ok("ENABLE QRESYNC") + c.ok("UID MOVE 1 INBOX"),
    "BINARY": lambda c: b"BINARY.SIZE[1] %d" % len(MAIL.partition(b"\r\n\r\n")[2]) in c.ok("FETCH 1 BINARY.SIZE[1]"),
    "APPENDLIMIT=52428800": lambda c: b"(APPENDLIMIT 52428800)" in c.ok("STATUS INBOX (APPENDLIMIT)"),
    "IMAP4rev2": lambda c: c.ok("ENABLE IMAP4rev2") == b"* ENABLED IMAP4rev2\r\n" and b"ESEARCH" in c.ok("SEARCH 1"),
    "UTF8=ACCEPT": lambda c: b"ACCEPT" in c.ok("ENABLE UTF8=ACCEPT") and bool(c.ok("CREATE &")),
    "OBJECTID": lambda c: b"* 1 FETCH (EMAILID (M" in c.ok("FETCH 1 EMAILID"),
    "SAVEDATE": lambda c: c.ok("SEARCH SAVEDSINCE 1-Jan-2000") == b"* SEARCH 1\r\n",
    "PREVIEW": lambda c: c.ok("FETCH 1 PREVIEW") == b'* 1 FETCH (PREVIEW "How are you?")\r\n',
    "SORT": lambda c: c.ok("SORT (SUBJECT) UTF-8 ALL") == b"* SORT 1\r\n",
    "SORT=DISPLAY": lambda c: c.ok("SORT (DISPLAYFROM) UTF-8 ALL") == b"* SORT 1\r\n",
    "ESORT": lambda c: b" COUNT 1\r\n" in c.ok("SORT RETURN (COUNT) (DATE) UTF-8 ALL"),
    "CONTEXT=SEARCH": lambda c: b") ADDTO (0 2)" in c.ok("SEARCH RETURN (UPDATE) ALL") + c.ok("COPY 1 INBOX"),
    "CONTEXT=SORT": lambda c: b" ADDTO (2 2)" in c.ok("SORT RETURN (UPDATE) (DATE) UTF-8 ALL") + c.ok("COPY 1 INBOX"),
    "THREAD=ORDEREDSUBJECT": lambda c: c.ok("THREAD ORDEREDSUBJECT UTF-8 ALL") == b"* THREAD (1)\r\n",
    "THREAD=REFERENCES": lambda c: c.ok("THREAD REFERENCES UTF-8 ALL") == b"* THREAD (1)\r\n",
    "THREAD=REFS": lambda c: c.ok("THREAD REFS UTF-8 ALL") == b"* THREAD (1)\r\n",
    "PARTIAL": lambda c: b"* 1 FETCH" in c.ok("UID FETCH 1:* UID (PARTIAL -1:-1)"),
    "SEARCH=FUZZY": lambda c: c.ok("SEARCH FUZZY SUBJECT helo") == b"* SEARCH 1\r\n",
    "MULTISEARCH": lambda c: b" MAILBOX INBOX " in c.ok("ESEARCH IN (inboxes) ALL"),
    "I18NLEVEL=1": lambda c: c.ok('SEARCH CHARSET UTF-8 SUBJECT "ＨＥＬＬＯ"') == b"* SEARCH 1\r\n",
    "QUOTA": lambda c: c.ok("GETQUOTA bob@example.com") == b"* QUOTA bob@example.com ()\r\n",
    "QUOTASET": lambda c: b"(STORAGE 1 5)" in c.ok("SETQUOTA bob@example.com (STORAGE 5)"),
    "QUOTA=RES-STORAGE": lambda c: b"DELETED-STORAGE 0" in c.ok("STATUS INBOX (DELETED-STORAGE)"),
    "QUOTA=RES-MESSAGE": lambda c: b"DELETED 0" in c.ok("STATUS INBOX (DELETED)"),
    "ACL": lambda c: c.ok("MYRIGHTS INBOX") == b"* MYRIGHTS INBOX lrswipkxteacd\r\n",
    "RIGHTS=texk": lambda c: c.ok("SETACL INBOX eve texk") == b"*" and b" eve kxtecd" in c.ok("GETACL INBOX"),
    "LIST-MYRIGHTS": lambda c: b"* MYRIGHTS INBOX lr" in c.ok('LIST "" INBOX RETURN (MYRIGHTS)'),
    "METADATA": lambda c: bool(c.ok('SETMETADATA "" (/private/a "b")')) and b'"b"' in c.ok('GETMETADATA "" /private/a'),
    "LIST-METADATA": lambda c: b"(/shared/a NIL)" in c.ok('LIST "" INBOX RETURN (METADATA (/shared/a))'),
    "COMPRESS=DEFLATE": lambda c: bool(c.ok("COMPRESS DEFLATE")) and isinstance(c.steps[-1], StartDeflate),
    "NOTIFY": lambda c: b"STATUS INBOX (" in c.ok("UNSELECT") + c.ok(
        "NOTIFY SET STATUS (personal (MessageNew MessageExpunge))"
    ),
    "REPLACE": lambda c: b"* 1 EXPUNGE" in c.literal(b"REPLACE 1 INBOX {}", MAIL),
    "CATENATE": lambda c: b"x OK [" in c.send(b'x APPEND INBOX CATENATE (URL ";UID=1")\r\n'),
    "INPROGRESS": lambda c: told_of_progress(c),
    "UIDONLY": lambda c: bool(c.ok("ENABLE UIDONLY")) and b"* 1 UIDFETCH (" in c.ok("UID FETCH 1 FLAGS"),
    "UNAUTHENTICATE": lambda c: bool(c.ok("UNAUTHENTICATE")) and bool(c.ok("LOGIN eve@example.com pw")),
    "X-GM-EXT-1": lambda c: c.ok("FETCH 1 X-GM-LABELS") == b"* 1 FETCH (X-GM-LABELS ())\r\n",
    "WITHIN": lambda c: c.ok("SEARCH OLDER 1000") == b"* SEARCH\r\n",
}  # fmt: skip

SWITCHED_ON = [capability.name for capability in TABLE if not capability.default]  # by a setting


def offered(answer: bytes) -> list[str]:
    """The names in a CAPABILITY response."""
    found = re.search(rb"CAPABILITY ([^\]\r]*)", answer)
    assert found
    return found[1].decode().split()


class TestProofs:
    @pytest.mark.parametrize("name", sorted(PROOFS))
    def test_each_one_offered_works(self, name):
        world = World(imap_capabilities=frozenset({f"+{name}"})) if name in SWITCHED_ON else World()
        world.put()
        client = world.select()
        assert name in offered(client.ok("CAPABILITY"))
        assert PROOFS[name](client)

    def test_everything_offered_has_a_proof(self, make_world):
        for settings in ({}, {"imap_capabilities": frozenset(f"+{name}" for name in SWITCHED_ON)}):
            world = make_world(starttls="offered", **settings)
            for client in (world.connect(), world.login()):
                names = offered(client.ok("CAPABILITY"))
                assert len(names) == len(set(names))
                for name in names:
                    # STARTTLS and AUTH= have theirs where logging in is tested
                    assert name in PROOFS or name == "STARTTLS" or name.startswith("AUTH=")

    def test_every_command_of_the_table_is_there(self):
        for capability in TABLE:
            assert capability.rfc.startswith(("RFC ", "draft-", "Gmail"))
            for verb in capability.commands:
                assert verb in COMMANDS


class TestSettings:
    @pytest.mark.parametrize(
        ("capability", "command"),
        [
            ("IDLE", "IDLE"),
            ("MOVE", "MOVE 1 INBOX"),
            ("ID", "ID NIL"),
            ("NAMESPACE", "NAMESPACE"),
            ("UIDPLUS", "UID EXPUNGE 1"),
        ],
    )
    def test_what_is_taken_away_is_unknown(self, make_world, capability, command):
        world = make_world(imap_capabilities=frozenset({f"-{capability.lower()}"}))
        world.put()
        client = world.select()
        assert capability not in offered(client.ok("CAPABILITY"))
        assert "Unknown" in client.bad(command)

    def test_without_uidplus_no_codes(self, make_world):
        world = make_world(imap_capabilities=frozenset({"-UIDPLUS"}))
        world.put()
        client = world.select()
        assert b"COPYUID" not in client.raw("COPY 1 INBOX")[1]
        assert b"APPENDUID" not in client.literal(b"APPEND INBOX {}", MAIL)
        untagged, _ = client.raw("MOVE 1 INBOX")
        assert b"COPYUID" not in untagged

    def test_what_needs_another_goes_with_it(self, make_world):
        changes = frozenset({"-ESEARCH", "-LIST-EXTENDED", "-SPECIAL-USE", "-CHILDREN", "-LITERAL-"})
        client = make_world(imap_capabilities=changes).login()
        names = offered(client.ok("CAPABILITY"))
        assert not {"SEARCHRES", "LIST-STATUS", "CREATE-SPECIAL-USE"} & set(names)
        client.world.store.create_mailbox(client.world.account(), "Out", special_use=["\\Sent"])
        assert b'* LIST () "/" Out\r\n' in client.ok('LIST "" *')
        client.bad("CREATE x (USE (\\Sent))")
        assert client.send(b"x CREATE {1+}\r\ny\r\n").startswith(b"x BAD")

    def test_names_that_mean_nothing_here(self, make_world):
        client = make_world(imap_capabilities=frozenset({"+X-FOO", "+XLIST"})).login()
        assert offered(client.ok("CAPABILITY"))[-2:] == ["X-FOO", "XLIST"]

    def test_they_change_while_a_session_goes_on(self, world):
        client = world.login()
        world.scopes.root.change(imap_capabilities=["-IDLE"])
        assert "IDLE" not in offered(client.ok("CAPABILITY"))
        client.bad("IDLE")
