"""Gathering commands."""

from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given

from mailtrap import limits
from mailtrap.imap.collect import Announced, Collector, Command, Dropped, Overflow


def collect(data: bytes, pieces: list[int] | None = None, *, refuse: bool = False) -> list[object]:
    """The events of some input, given whole or in pieces; every literal is accepted, or every one refused."""
    buffer = bytearray()
    collector = Collector(buffer)
    events: list[object] = []
    cuts = sorted({0, len(data), *(piece % (len(data) + 1) for piece in pieces or ())})
    for start, end in pairwise(cuts):
        buffer += data[start:end]
        while (event := collector.next()) is not None:
            if isinstance(event, Announced):
                events.append((event.size, event.synchronizing))
                collector.refuse() if refuse else collector.accept()
            elif isinstance(event, Command):
                events.append((event.text, [bytes(literal) for literal in event.literals]))
            else:
                events.append(event)
                if isinstance(event, Overflow):
                    return events
    return events


class TestCommands:
    def test_one_line(self):
        assert collect(b"a NOOP\r\n") == [(b"a NOOP", [])]

    def test_a_bare_lf_ends_a_line_too(self):
        assert collect(b"a NOOP\nb NOOP\r\n") == [(b"a NOOP", []), (b"b NOOP", [])]

    def test_literals_of_both_kinds(self):
        events = collect(b"a LOGIN {3}\r\nbob {4+}\r\np\r\nw\r\nb NOOP\r\n")
        assert events == [
            (3, True), (4, False), (b"a LOGIN {3}\r\n {4+}\r\n", [b"bob", b"p\r\nw"]), (b"b NOOP", []),
        ]  # fmt: skip

    def test_an_empty_literal(self):
        assert collect(b"a X {0}\r\n\r\n")[-1] == (b"a X {0}\r\n", [b""])

    def test_what_only_looks_like_a_literal(self):
        for line in (b'a X "{3}"', b"a X {a}", b"a X {3} ", b"a X {3}x", b"a X {}", b"a X {999999999999999999999}"):
            assert collect(line + b"\r\n") == [(line, [])]

    @given(
        st.lists(st.tuples(st.binary(max_size=30), st.booleans()), max_size=4),
        st.lists(st.integers(0, 10_000), max_size=30),
    )
    def test_however_it_is_split(self, literals, pieces):
        data = b"a APPEND x"
        for literal, plus in literals:
            data += b" {%d%b}\r\n%b" % (len(literal), b"+" if plus else b"", literal)
        data = (data + b"\r\n") * 2
        whole = collect(data)
        assert collect(data, pieces) == whole
        assert [list(event[1]) for event in whole if isinstance(event[1], list)] == [[x for x, _ in literals]] * 2


class TestRefusing:
    def test_a_literal_that_was_waited_for_ends_the_command(self):
        assert collect(b"a X {3}\r\nb NOOP\r\n", refuse=True) == [(3, True), (b"b NOOP", [])]

    def test_one_that_was_not_is_dropped_with_the_rest(self):
        data = b"a X {3+}\r\nfoo bar {2+}\r\nx\n more\r\nb NOOP\r\n"
        assert collect(data, refuse=True) == [(3, False), Dropped(b"a X {3+}\r\n"), (b"b NOOP", [])]

    def test_a_further_literal_that_waits_ends_it(self):
        data = b"a X {3+}\r\nfoo bar {2}\r\nb NOOP\r\n"
        assert collect(data, refuse=True) == [(3, False), Dropped(b"a X {3+}\r\n"), (b"b NOOP", [])]

    def test_there_is_an_end_to_patience(self):
        data = b"a X {%d+}\r\n" % (limits.IMAP_DROP + 1)
        assert collect(data, refuse=True)[-1] == Overflow()
        data = b"a X {1+}\r\nx {%d+}\r\n" % (limits.IMAP_DROP)
        assert collect(data, refuse=True)[-1] == Overflow()


class TestLongLines:
    def test_a_long_line_is_dropped(self):
        data = b"a NOOP " + b"x" * limits.IMAP_LINE + b"\r\nb NOOP\r\n"
        events = collect(data)
        assert isinstance(events[0], Dropped)
        assert events[0].text.startswith(b"a NOOP xxx")
        assert len(events[0].text) <= limits.LINE_LOG
        assert events[1:] == [(b"b NOOP", [])]
        assert [type(event) for event in collect(data, [3, 70_000, 65_000])] == [Dropped, tuple]

    def test_a_long_line_with_a_literal_at_its_end(self):
        data = b"a NOOP " + b"x" * limits.IMAP_LINE + b"{5+}\r\n\r\n\r\n\r\nb NOOP\r\n"
        assert collect(data)[1:] == [(b"b NOOP", [])]

    def test_many_short_lines_are_a_long_one_too(self):
        data = b"a X" + b" {0+}\r\n" * 20_000
        assert any(isinstance(event, Dropped) for event in collect(data + b"\r\n"))

    def test_an_endless_line_is_the_end(self):
        assert collect(b"x" * (limits.IMAP_LINE_END + limits.IMAP_LINE + 100))[-1] == Overflow()

    def test_little_is_held_meanwhile(self):
        buffer = bytearray()
        collector = Collector(buffer)
        for _ in range(10):
            buffer += b"x" * limits.IMAP_LINE
            assert collector.next() is None
            assert len(buffer) <= limits.IMAP_LINE
