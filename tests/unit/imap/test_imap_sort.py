"""SORT, THREAD and what extends them: RFC 5256, 5267 (ESORT), 5957, 6203."""

import pytest

from mailtrap.wire.steps import Pause

from .conftest import numbers


def mail(subject="", from_="", to="", cc="", date="", more=""):
    lines = [("Subject", subject), ("From", from_), ("To", to), ("Cc", cc), ("Date", date)]
    return ("".join(f"{name}: {value}\r\n" for name, value in lines if value) + more + "\r\nbody\r\n").encode()


MAILS = [
    (mail("banana", "Zoe <a@x>", "Bob <c@x>", "z@x", "Mon, 2 Feb 2026 10:00:00 +0000"), 300.0),
    (mail("Re: Apple", "b@x", "a@x", "", "Mon, 2 Feb 2026 10:30:00 +0100"), 100.0),
    (mail("apple", "Ann <c@x>", "b@x", "a@x", "Tue, 3 Feb 2026 00:00:00 +0000") + b"x" * 100, 200.0),
    (mail("=?utf-8?q?=C3=84pfel?=", "", "", "", "never"), 1e9),
]


@pytest.fixture
def client(world):
    for raw, date in MAILS:
        world.put(raw, date=date)
    return world.select()


def found(answer: bytes, kind: bytes = b"SORT") -> list[int]:
    line = next(line for line in answer.splitlines() if line.startswith(b"* " + kind))
    return [int(number) for number in line.partition(b" (MODSEQ")[0].split()[2:]]


class TestSort:
    @pytest.mark.parametrize(
        ("criteria", "expected"),
        [
            ("ARRIVAL", [2, 3, 1, 4]), ("REVERSE ARRIVAL", [4, 1, 3, 2]), ("SIZE", [4, 2, 1, 3]),
            ("SUBJECT", [2, 3, 4, 1]), ("REVERSE SUBJECT", [1, 4, 2, 3]), ("DATE", [4, 2, 1, 3]),
            ("FROM", [4, 1, 2, 3]), ("TO", [4, 2, 3, 1]), ("CC", [2, 4, 3, 1]), ("DISPLAYFROM", [4, 3, 2, 1]),
            ("DISPLAYTO", [4, 2, 3, 1]), ("SUBJECT REVERSE DATE", [3, 2, 4, 1]), ("CC REVERSE ARRIVAL", [4, 2, 3, 1]),
            ("REVERSE CC SUBJECT", [1, 3, 2, 4]), ("subject", [2, 3, 4, 1]),
        ],
    )  # fmt: skip
    def test_criteria(self, client, criteria, expected):
        assert found(client.ok(f"SORT ({criteria}) UTF-8 ALL")) == expected
        assert found(client.ok(f"UID SORT ({criteria}) US-ASCII ALL")) == expected

    def test_uids_and_numbers(self, world, client):
        world.store.expunge(world.mailbox().id, [1])
        client.ok("NOOP")
        assert found(client.ok("SORT (ARRIVAL) UTF-8 ALL")) == [1, 2, 3]
        assert found(client.ok("UID SORT (ARRIVAL) UTF-8 ALL")) == [2, 3, 4]

    def test_keys_and_charset(self, client):
        assert found(client.ok("SORT (SUBJECT) UTF-8 SUBJECT apple")) == [2, 3]
        assert client.ok("SORT (SUBJECT) UTF-8 SUBJECT nothing") == b"* SORT\r\n"
        assert b"* SORT 4\r\n" in client.literal(b"SORT (DATE) ISO-8859-1 SUBJECT {}", "äpfel".encode("latin-1"))
        assert client.no("SORT (DATE) X-FOO ALL").startswith("NO [BADCHARSET (US-ASCII UTF-8)]")

    def test_modseq(self, client, world):
        highest = world.mailbox().highestmodseq
        assert client.ok("SORT (DATE) UTF-8 MODSEQ 1").endswith(b"* SORT 4 2 1 3 (MODSEQ %d)\r\n" % highest)

    @pytest.mark.parametrize(
        "arguments",
        [
            "", "(DATE)", "(DATE) UTF-8", "() UTF-8 ALL", "DATE UTF-8 ALL", "(FOO) UTF-8 ALL", "(REVERSE) UTF-8 ALL",
            "(DATE REVERSE) UTF-8 ALL", "(REVERSE REVERSE DATE) UTF-8 ALL", "(DATE) UTF-8 ALL ", "(DATE)UTF-8 ALL",
            "(RELEVANCY) UTF-8 ALL", "RETURN (DATE) UTF-8 ALL", "RETURN (FOO) (DATE) UTF-8 ALL",
            "(" + "DATE " * 30 + "DATE) UTF-8 ALL", "RETURN (MIN) (DATE) UTF-8",
        ],
    )  # fmt: skip
    def test_bad_syntax(self, client, arguments):
        client.bad(f"SORT {arguments}")
        assert client.ok("NOOP")

    def test_expunges_wait(self, world, client):
        world.store.expunge(world.mailbox().id, [2])
        assert not numbers(client.ok("SORT (DATE) UTF-8 ALL"), "EXPUNGE")
        assert numbers(client.ok("UID SORT (DATE) UTF-8 ALL"), "EXPUNGE") == [2]

    def test_before_select(self, world):
        assert "CLIENTBUG" in world.login().bad("SORT (DATE) UTF-8 ALL")

    def test_taken_away(self, make_world):
        world = make_world(imap_capabilities=frozenset({"-SORT=DISPLAY", "-ESORT", "-CONTEXT=SORT"}))
        world.put()
        client = world.select()
        client.bad("SORT (DISPLAYFROM) UTF-8 ALL")
        client.bad("SORT RETURN () (DATE) UTF-8 ALL")
        world = make_world(imap_capabilities=frozenset({"-SORT"}))
        world.put()
        client = world.select()
        assert b"SORT" not in client.ok("CAPABILITY")
        assert "Unknown" in client.bad("SORT (DATE) UTF-8 ALL")

    def test_others_get_their_turn(self, world, monkeypatch):
        ticks = iter(range(10**9))
        monkeypatch.setattr("mailtrap.clock.monotonic", lambda: next(ticks) * 0.003)
        for _ in range(100):
            world.put()
        client = world.select()
        client.steps.clear()
        assert found(client.ok("SORT (SUBJECT) UTF-8 ALL")) == list(range(1, 101))
        assert any(isinstance(step, Pause) for step in client.steps)


class TestExtended:
    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ("()", b" ALL 2:4,1"), ("(MIN)", b" MIN 2"), ("(MAX)", b" MAX 1"), ("(COUNT)", b" COUNT 4"),
            ("(PARTIAL 1:2)", b" PARTIAL (1:2 2:3)"), ("(PARTIAL 4:9)", b" PARTIAL (4:9 1)"),
            ("(PARTIAL 9:5)", b" PARTIAL (9:5 NIL)"), ("(PARTIAL -1:-2)", b" PARTIAL (-1:-2 4,1)"),
            ("(MIN MAX COUNT PARTIAL 2:2)", b" MIN 2 MAX 1 COUNT 4 PARTIAL (2:2 3)"),
        ],
    )  # fmt: skip
    def test_options(self, client, options, expected):
        answer = client.send(b"tag1 SORT RETURN %b (SUBJECT) UTF-8 ALL\r\n" % options.encode())
        assert answer == b'* ESEARCH (TAG "tag1")' + expected + b"\r\ntag1 OK SORT completed\r\n"

    def test_what_is_saved_is_a_set(self, client):
        client.ok("SORT RETURN (SAVE) (REVERSE SUBJECT) UTF-8 NOT SUBJECT banana")
        assert numbers(client.ok("FETCH $ UID"), "FETCH") == [2, 3, 4]
        client.ok("SORT RETURN (SAVE PARTIAL 1:2) (REVERSE SUBJECT) UTF-8 ALL")
        assert numbers(client.ok("FETCH $ UID"), "FETCH") == [1, 4]


class TestThread:
    @pytest.fixture
    def talk(self, world):
        for own, refers, subject in (
            ("a", "", "Lunch"), ("b", "a", "Re: Lunch"), ("c", "a b", "Re: Lunch"), ("d", "a", "Re: Lunch"),
            ("e", "", "Dinner"),
        ):  # fmt: skip
            references = " ".join(f"<{id_}@x>" for id_ in refers.split())
            more = f"Message-ID: <{own}@x>\r\n" + (f"References: {references}\r\n" if references else "")
            world.put(mail(subject, more=more), date=float(ord(own)))
        return world.select()

    @pytest.mark.parametrize(
        ("algorithm", "expected"),
        [
            ("REFERENCES", b"(1 (2 3)(4))(5)"), ("ORDEREDSUBJECT", b"(1 (2)(3)(4))(5)"), ("REFS", b"(1 (2 3)(4))(5)"),
            ("references", b"(1 (2 3)(4))(5)"),
        ],
    )  # fmt: skip
    def test_algorithms(self, talk, algorithm, expected):
        assert talk.ok(f"THREAD {algorithm} UTF-8 ALL") == b"* THREAD " + expected + b"\r\n"

    def test_keys_numbers_and_uids(self, world, talk):
        world.store.expunge(world.mailbox().id, [1])
        talk.ok("NOOP")
        assert talk.ok("THREAD REFS UTF-8 SUBJECT lunch") == b"* THREAD ((1 2)(3))\r\n"
        assert talk.ok("UID THREAD REFS UTF-8 SUBJECT lunch") == b"* THREAD ((2 3)(4))\r\n"
        assert talk.ok("THREAD REFERENCES US-ASCII SUBJECT nothing") == b"* THREAD\r\n"

    @pytest.mark.parametrize(
        "arguments", ["", "REFERENCES", "REFERENCES UTF-8", "FOO UTF-8 ALL", "(REFS) UTF-8 ALL", "REFS UTF-8 ALL x",
                      "RETURN () REFS UTF-8 ALL"],
    )  # fmt: skip
    def test_bad_syntax(self, talk, arguments):
        talk.bad(f"THREAD {arguments}")
        talk.no("THREAD REFS X-FOO ALL")

    def test_taken_away(self, make_world):
        world = make_world(imap_capabilities=frozenset({"-THREAD=REFERENCES"}))
        world.put()
        client = world.select()
        client.bad("THREAD REFERENCES UTF-8 ALL")
        assert client.ok("THREAD REFS UTF-8 ALL") == b"* THREAD (1)\r\n"
        names = frozenset({"-THREAD=REFERENCES", "-THREAD=REFS", "-THREAD=ORDEREDSUBJECT"})
        world.scopes.root.change(imap_capabilities=names)
        assert "Unknown" in client.bad("THREAD REFS UTF-8 ALL")

    def test_others_get_their_turn(self, world, monkeypatch):
        ticks = iter(range(10**9))
        monkeypatch.setattr("mailtrap.clock.monotonic", lambda: next(ticks) * 0.005)
        for _ in range(500):
            world.put()
        client = world.select()
        client.steps.clear()
        client.ok("THREAD REFERENCES UTF-8 ALL")
        assert sum(isinstance(step, Pause) for step in client.steps) > 3
