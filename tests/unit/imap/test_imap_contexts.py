"""Searches that are kept up to date (RFC 5267), and parts of results (RFC 9394)."""

import re

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from mailtrap import clock, limits
from mailtrap.imap.contexts import Context
from mailtrap.imap.ordered import Criterion
from mailtrap.imap.sequence import parse
from mailtrap.store.search import All
from mailtrap.wire.steps import Watch

from .conftest import World, numbers


def mail(subject):
    return f"Subject: {subject}\r\n\r\n".encode()


@pytest.fixture
def client(world):
    for subject in ("d", "b", "f"):
        world.put(mail(subject))
    return world.select()


class TestUpdate:
    def test_what_changes_is_told(self, world, client):
        assert client.send(b"A UID SEARCH RETURN (UPDATE COUNT) UNSEEN\r\n").startswith(
            b'* ESEARCH (TAG "A") UID COUNT 3\r\nA OK'
        )
        box = world.mailbox().id
        world.store.set_flags(box, [2], ["\\Seen"], "add")
        assert b'* ESEARCH (TAG "A") UID REMOVEFROM (0 2)\r\n' in client.ok("NOOP")
        world.store.set_flags(box, [1, 2, 3], ["\\Seen"], "remove")
        assert b'* ESEARCH (TAG "A") UID ADDTO (0 2)\r\n' in client.ok("NOOP")
        assert b'* ESEARCH (TAG "A") UID REMOVEFROM (0 1:3)\r\n' in client.ok("STORE 1:* +FLAGS (\\Seen)")

    def test_arrivals_come_behind_exists(self, world, client):
        client.send(b"A SEARCH RETURN (UPDATE) ALL\r\n")
        world.put()
        answer = client.ok("NOOP")
        assert answer.index(b"* 4 EXISTS") < answer.index(b'* ESEARCH (TAG "A") ADDTO (0 4)\r\n')

    def test_expunges_come_before_expunge_with_the_numbers_as_they_were(self, world, client):
        client.send(b"A SEARCH RETURN (UPDATE) ALL\r\n")
        world.store.expunge(world.mailbox().id, [1, 3])
        assert client.ok("NOOP") == b'* ESEARCH (TAG "A") REMOVEFROM (0 1,3)\r\n* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n'

    def test_in_idle(self, world, client):
        client.send(b"A UID SEARCH RETURN (UPDATE) FLAGGED\r\n")
        client.send(b"B IDLE\r\n")
        world.store.set_flags(world.mailbox().id, [3], ["\\Flagged"], "add")
        assert client.woken().endswith(b'* ESEARCH (TAG "A") UID ADDTO (0 3)\r\n')

    def test_a_sort_tells_places(self, world, client):
        answer = client.send(b"A UID SORT RETURN (UPDATE ALL) (SUBJECT) UTF-8 NOT FLAGGED\r\n")
        assert answer.startswith(b'* ESEARCH (TAG "A") UID ALL 2,1,3\r\n')
        box = world.mailbox().id
        for subject in ("c", "a", "g"):
            world.put(mail(subject))
        assert b"UID ADDTO (1 5 3 4 6 6)\r\n" in client.ok("NOOP")  # a b c d f g
        world.store.set_flags(box, [2, 4, 6], ["\\Flagged"], "add")
        assert b"UID REMOVEFROM (2 2,4 4 6)\r\n" in client.ok("NOOP")  # a d f
        world.store.expunge(box, [3])
        assert b'* ESEARCH (TAG "A") UID REMOVEFROM (3 3)\r\n* 3 EXPUNGE' in client.ok("NOOP")

    def test_cancelled(self, world, client):
        client.send(b"A SEARCH RETURN (UPDATE) ALL\r\n")
        client.send(b"B SEARCH RETURN (UPDATE) ALL\r\n")
        client.ok('CANCELUPDATE "A"')
        world.put()
        answer = client.ok("NOOP")
        assert b'"B"' in answer
        assert b'"A"' not in answer
        for wrong in ('CANCELUPDATE "A"', 'CANCELUPDATE "B" "x"', "CANCELUPDATE B", "CANCELUPDATE"):
            client.bad(wrong)
        client.ok('CANCELUPDATE "B"')

    def test_it_ends_with_the_mailbox(self, world, client):
        client.send(b"A SEARCH RETURN (UPDATE) ALL\r\n")
        client.ok("SELECT INBOX")
        world.put()
        assert b"ESEARCH" not in client.ok("NOOP")

    def test_a_tag_that_is_in_use(self, client):
        client.send(b"A SEARCH RETURN (UPDATE) ALL\r\n")
        assert client.send(b"A SEARCH RETURN (UPDATE) SEEN\r\n").startswith(b"A BAD")
        assert client.send(b"A SEARCH RETURN (COUNT) SEEN\r\n").startswith(b"* ESEARCH")

    def test_refused(self, world, client):
        for number in range(limits.IMAP_CONTEXTS):
            assert b"NOUPDATE" not in client.send(b"a%d SEARCH RETURN (UPDATE) ALL\r\n" % number)
        answer = client.send(b"A SEARCH RETURN (UPDATE COUNT) ALL\r\n")
        assert re.fullmatch(rb'\* NO \[NOUPDATE "A"\] .*\r\n\* ESEARCH \(TAG "A"\) COUNT 3\r\nA OK .*\r\n', answer)

    def test_context_alone_is_a_hint(self, client):
        assert client.send(b"A SEARCH RETURN (CONTEXT COUNT) ALL\r\n").startswith(b'* ESEARCH (TAG "A") COUNT 3')

    def test_taken_away(self, make_world):
        world = make_world(imap_capabilities=frozenset({"-CONTEXT=SEARCH", "-PARTIAL"}))
        world.put()
        client = world.select()
        client.bad("SEARCH RETURN (UPDATE) ALL")
        client.bad("SEARCH RETURN (PARTIAL 1:2) ALL")
        client.bad('CANCELUPDATE "A"')
        client.ok("SORT RETURN (UPDATE PARTIAL 1:2) (DATE) UTF-8 ALL")
        client.bad("SORT RETURN (PARTIAL -1:-2) (DATE) UTF-8 ALL")


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "flag", "unflag", "expunge", "look", "number"]), st.integers(0, 9)), max_size=15
)
ASKED = (b"SEARCH RETURN (UPDATE ALL) UNFLAGGED", b"SORT RETURN (UPDATE ALL) (SUBJECT REVERSE ARRIVAL) UTF-8 UNFLAGGED")


@settings(max_examples=60, deadline=None)
@given(STEPS, st.sampled_from(ASKED), st.booleans())
def test_a_client_that_keeps_account_has_what_a_new_search_finds(steps, asked, uid):
    world = World()
    for subject in ("d", "b"):
        world.put(mail(subject))
    client = world.select()
    prefix = b"UID " if uid else b""
    known = _all(client.send(b"A " + prefix + asked + b"\r\n"))
    box = world.mailbox().id
    for action, pick in steps:
        uids = world.store.snapshot(box).uids
        some = [uids[pick % len(uids)]] if uids else []
        if action == "put":
            world.put(mail("fcaebdgh"[pick % 8]))
        elif action in ("flag", "unflag"):
            world.store.set_flags(box, some, ["\\Flagged"], "add" if action == "flag" else "remove")
        elif action == "expunge":
            world.store.expunge(box, some)
        else:
            answer, _ = client.raw("NOOP" if action == "look" or not client.session.view.uids else "FETCH 1 UID")
            known = _follow(known, answer, uid)
    known = _follow(known, client.ok("NOOP"), uid)
    assert known == _all(client.ok(prefix + asked.replace(b"UPDATE ", b"")))


def _all(answer):
    found = re.search(rb" ALL ([\d,:]+)\r\n", answer)
    return [n for low, high in _pairs(found[1]) for n in range(low, high + 1)] if found else []


def _pairs(text):
    return [pair for part in text.split(b",") for pair in parse(part)]


def _follow(known, answer, uid):
    """What a client does with the answers (RFC 5267, 4.3.3 and 4.3.4; RFC 3501, 7.4.1)."""
    known = list(known)
    for line in answer.split(b"\r\n"):
        if found := re.fullmatch(rb"\* (\d+) EXPUNGE", line):
            if not uid:
                assert int(found[1]) not in known  # it had to be taken out before
                known = [n - (n > int(found[1])) for n in known]
        elif line.startswith(b'* ESEARCH (TAG "A")'):
            assert (b" UID " in line) == uid
            for name, data in re.findall(rb"(ADDTO|REMOVEFROM) \(([^)]*)\)", line):
                words = data.split()
                for place, text in zip(words[::2], words[1::2], strict=True):
                    named = [n for low, high in _pairs(text) for n in range(low, high + 1)]
                    if name == b"ADDTO" and int(place):
                        known[int(place) - 1 : int(place) - 1] = named
                    elif name == b"ADDTO":
                        known = sorted([*known, *named])
                    elif int(place):
                        assert known[int(place) - 1 : int(place) - 1 + len(named)] == named
                        del known[int(place) - 1 : int(place) - 1 + len(named)]
                    else:
                        assert set(named) <= set(known)
                        known = [n for n in known if n not in named]
    return known


@given(st.permutations(range(1, 9)), st.sets(st.integers(1, 8)), st.sets(st.integers(1, 8)))
def test_updates_of_any_two_results(order, old, new):
    context = Context(b"A", True, All(), (Criterion("SUBJECT"),), [uid for uid in order if uid in old])
    before = list(context.found)
    after = [uid for uid in order if uid in new]
    line = context.response(context.become(after), lambda uid: uid)
    assert _follow(before, line.rstrip(b"\r\n"), True) == after == context.found
    assert bool(line) == (before != after)


class TestPassingTime:
    """Results that come and go because messages grow old (RFC 5032, 2)."""

    @pytest.fixture
    def now(self, monkeypatch):
        time = [1_800_000_000.25]
        monkeypatch.setattr(clock, "now", lambda: time[0])
        return time

    @pytest.fixture
    def client(self, world, now):
        for ago in (100.5, 50, 10):
            world.put(date=now[0] - ago)
        return world.select()

    def test_they_are_told_when_they_change(self, world, client, now):
        client.send(b"A UID SEARCH RETURN (UPDATE) YOUNGER 60\r\n")
        client.send(b"B UID SEARCH RETURN (UPDATE ALL) OR OLDER 60 FLAGGED\r\n")
        now[0] += 10
        assert client.ok("NOOP") == b'* ESEARCH (TAG "B") UID ADDTO (0 2)\r\n'  # 60 seconds ago is both
        now[0] += 1
        assert client.ok("NOOP") == b'* ESEARCH (TAG "A") UID REMOVEFROM (0 2)\r\n'
        assert client.ok("NOOP") == b"*"
        world.put(date=now[0] - 59)
        assert b'* ESEARCH (TAG "A") UID ADDTO (0 4)\r\n' in client.ok("NOOP")
        now[0] += 2
        assert client.ok("NOOP") == (
            b'* ESEARCH (TAG "A") UID REMOVEFROM (0 4)\r\n* ESEARCH (TAG "B") UID ADDTO (0 4)\r\n'
        )
        now[0] += 10_000
        assert client.ok("NOOP") == (
            b'* ESEARCH (TAG "A") UID REMOVEFROM (0 3)\r\n* ESEARCH (TAG "B") UID ADDTO (0 3)\r\n'
        )
        assert client.session.patience is None  # nothing can grow older than all intervals

    def test_seconds_are_whole(self, client, now):
        # RFC 5032, 2: to the resolution of a second, and both ends belong to it
        assert client.ok("SEARCH OLDER 50") == b"* SEARCH 1 2\r\n"
        assert client.ok("SEARCH YOUNGER 50") == b"* SEARCH 2 3\r\n"
        assert client.ok("SEARCH OLDER 51") == b"* SEARCH 1\r\n"
        assert client.ok("SEARCH YOUNGER 49") == b"* SEARCH 3\r\n"

    def test_a_sorted_search(self, client, now):
        client.send(b"A UID SORT RETURN (UPDATE) (REVERSE ARRIVAL) UTF-8 OLDER 60\r\n")
        now[0] += 100
        assert client.ok("NOOP") == b'* ESEARCH (TAG "A") UID ADDTO (1 3,2)\r\n'

    def test_in_idle_the_session_is_woken(self, client, now):
        client.send(b"A UID SEARCH RETURN (UPDATE) NOT OLDER 60\r\n")
        client.send(b"B IDLE\r\n")
        assert client.steps[-1].seconds == 9.75
        now[0] += 9.75
        client.session.wake()
        assert client.woken() == b'* ESEARCH (TAG "A") UID REMOVEFROM (0 2)\r\n'
        assert client.steps[-1].seconds == 1  # from younger to older
        client.send(b"DONE\r\n")
        assert [step.seconds for step in client.steps if isinstance(step, Watch)][-1] is None

    def test_with_notify_the_session_is_woken(self, client, now):
        client.ok("NOTIFY SET (selected (MessageNew MessageExpunge))")
        client.send(b"A UID SEARCH RETURN (UPDATE) YOUNGER 60\r\n")
        assert [step.seconds for step in client.steps if isinstance(step, Watch)][-1] == 9.75
        now[0] += 12
        client.session.wake()
        assert client.woken() == b'* ESEARCH (TAG "A") UID REMOVEFROM (0 2)\r\n'

    def test_what_is_expunged_and_not_told_is_left_alone(self, world, client, now):
        client.send(b"A SEARCH RETURN (UPDATE) YOUNGER 60\r\n")
        world.store.expunge(world.mailbox().id, [1, 3])
        now[0] += 20
        assert client.ok("SEARCH 1").endswith(b'* ESEARCH (TAG "A") REMOVEFROM (0 2)\r\n')
        assert client.ok("NOOP") == b'* ESEARCH (TAG "A") REMOVEFROM (0 3)\r\n* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n'

    def test_cancelled_it_costs_nothing(self, client, now):
        client.send(b"A UID SEARCH RETURN (UPDATE) YOUNGER 60\r\n")
        client.ok('CANCELUPDATE "A"')
        now[0] += 100
        assert client.ok("NOOP") == b"*"
        assert client.session.patience is None


class TestItems:
    """What UPDATE tells of new results (RFC 5465, 7)."""

    def test_fetch_comes_between_exists_and_addto(self, world, client):
        client.send(b"A UID SEARCH RETURN (COUNT UPDATE (UID BODY[HEADER.FIELDS (SUBJECT)])) NOT SUBJECT x\r\n")
        world.put(mail("x"))
        world.put(mail("y"))
        assert client.ok("NOOP") == (
            b"* 5 EXISTS\r\n* 5 RECENT\r\n"
            b"* 5 FETCH (UID 5 BODY[HEADER.FIELDS (SUBJECT)] {14}\r\nSubject: y\r\n\r\n)\r\n"
            b'* ESEARCH (TAG "A") UID ADDTO (0 5)\r\n'
        )
        assert world.flags(5) == frozenset()

    def test_a_change_of_flags_fetches_nothing(self, world, client):
        client.send(b"A UID SEARCH RETURN (UPDATE (ENVELOPE)) FLAGGED\r\n")
        world.store.set_flags(world.mailbox().id, [2], ["\\Flagged"], "add")
        assert b"ENVELOPE" not in client.ok("NOOP")

    def test_one_fetch_for_all_who_ask(self, world, client):
        client.ok("NOTIFY SET (selected (MessageNew (UID FLAGS) MessageExpunge))")
        client.send(b"A UID SEARCH RETURN (UPDATE (UID RFC822.SIZE)) SUBJECT y\r\n")
        client.send(b"B UID SORT RETURN (UPDATE (RFC822.SIZE)) (DATE) UTF-8 ALL\r\n")
        client.ok("NOOP")
        world.put(mail("y"))
        client.run()
        assert re.findall(rb"FETCH.*", client.take()) == [b"FETCH (UID 4 RFC822.SIZE 14 FLAGS (\\Recent))\r"]
        client.ok('CANCELUPDATE "B"')
        world.put(mail("x"))
        client.run()
        assert re.findall(rb"FETCH.*", client.take()) == [b"FETCH (UID 5 FLAGS (\\Recent))\r"]

    @pytest.mark.parametrize("option", ["UPDATE ()", "UPDATE (FOO)", "UPDATE UID", "COUNT (UID)", "UPDATE (UID"])
    def test_bad_syntax(self, client, option):
        client.bad(f"SEARCH RETURN ({option}) ALL")

    def test_not_without_notify(self, make_world):
        world = make_world(imap_capabilities=frozenset({"-NOTIFY"}))
        world.put()
        world.select().bad("SEARCH RETURN (UPDATE (UID)) ALL")


class TestPartial:
    @pytest.fixture
    def many(self, world):
        for number in range(10):
            world.put(mail(str(number)), flags=["\\Seen"] if number % 2 else [])
        return world.select()

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("1:2", b"1,3"), ("2:1", b"1,3"), ("4:9", b"7,9"), ("6:9", b"NIL"), ("-1:-2", b"7,9"), ("-2:-1", b"7,9"),
            ("-4:-9", b"1,3"), ("-6:-9", b"NIL"), ("1:1", b"1"), ("-1:-1", b"9"), ("1:4294967295", b"1,3,5,7,9"),
        ],
    )  # fmt: skip
    def test_search(self, many, text, expected):
        answer = many.send(f"A SEARCH RETURN (PARTIAL {text}) UNSEEN\r\n".encode())
        assert answer.startswith(b'* ESEARCH (TAG "A") PARTIAL (%b %b)\r\n' % (text.encode(), expected))

    @pytest.mark.parametrize(
        "options",
        ["PARTIAL", "PARTIAL 1", "PARTIAL 0:1", "PARTIAL 1:*", "PARTIAL 1:-1", "PARTIAL 1:2 PARTIAL 3:4",
         "ALL PARTIAL 1:2", "PARTIAL 1:4294967296", "PARTIAL -0:-1", "PARTIAL 1:2,4"],
    )  # fmt: skip
    def test_bad_syntax(self, many, options):
        many.bad(f"SEARCH RETURN ({options}) ALL")
        many.bad(f"UID FETCH 1:* UID ({options})")

    @pytest.mark.parametrize(
        ("options", "saved"),
        [("SAVE PARTIAL 2:3", [3, 5]), ("SAVE PARTIAL 2:2 MAX", [3, 9]), ("SAVE PARTIAL 2:2 COUNT", [1, 3, 5, 7, 9])],
    )
    def test_saved(self, many, options, saved):
        many.ok(f"SEARCH RETURN ({options}) UNSEEN")
        assert numbers(many.ok("FETCH $ UID"), "FETCH") == saved

    def test_fetch(self, many):
        assert numbers(many.ok("UID FETCH 1:* FLAGS (PARTIAL 1:3)"), "FETCH") == [1, 2, 3]
        assert numbers(many.ok("UID FETCH 1:* (FLAGS) (PARTIAL -1:-3)"), "FETCH") == [8, 9, 10]
        assert numbers(many.ok("UID FETCH 2:5 FLAGS (PARTIAL -9:-2)"), "FETCH") == [2, 3, 4]
        assert many.ok("UID FETCH 1:* FLAGS (PARTIAL 11:20)") == b"*"
        many.bad("FETCH 1:* FLAGS (PARTIAL 1:3)")

    def test_fetch_of_what_has_changed(self, many, world):
        modseq = world.mailbox().highestmodseq
        world.store.set_flags(world.mailbox().id, [2, 4, 6], ["x"], "add")
        many.ok("NOOP")
        # RFC 9394, 3.4: the last messages, and of those the ones that changed
        for modifiers in (f"CHANGEDSINCE {modseq} PARTIAL -1:-5", f"PARTIAL -5:-1 CHANGEDSINCE {modseq}"):
            assert numbers(many.ok(f"UID FETCH 1:* FLAGS ({modifiers})"), "FETCH") == [6]
        assert many.ok(f"UID FETCH 1:* FLAGS (CHANGEDSINCE {modseq} PARTIAL -1:-2)") == b"*"

    def test_without_condstore(self, make_world):
        world = make_world(imap_capabilities=frozenset({"-CONDSTORE"}))
        world.put()
        client = world.select()
        assert numbers(client.ok("UID FETCH 1:* UID (PARTIAL 1:1)"), "FETCH") == [1]
        client.bad("UID FETCH 1:* UID (CHANGEDSINCE 1)")
