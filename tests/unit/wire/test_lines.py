"""Lines out of a machine's buffer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtrap.faults import RuleBook
from mailtrap.scopes import Scopes
from mailtrap.transcript import Session
from mailtrap.wire.lines import InputEnded, LineTooLong, read_line
from mailtrap.wire.machine import Machine
from mailtrap.wire.steps import NEED_DATA, Close


class Collector(Machine):
    """Reads lines of at most 10 octets until the input ends."""

    def run(self):
        self.lines = []
        try:
            while True:
                try:
                    self.lines.append((yield from read_line(self, 10, 30)))
                except LineTooLong:
                    self.lines.append("too long")
        except InputEnded:
            self.lines.append("end")


def collect(*pieces: bytes, eof: bool = True) -> list:
    machine = Collector(Session("pop3", ("", 0)), Scopes({}).root, RuleBook())
    for piece in pieces:
        machine.receive(piece)
        if not isinstance(machine.next(), type(NEED_DATA)):
            return machine.lines
    if eof:
        machine.end_of_input()
        assert isinstance(machine.next(), Close)
    return machine.lines


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", ["end"]),
        (b"a\r\nb\n\r\n\n", [b"a", b"b", b"", b"", "end"]),
        (b"no end", ["end"]),
        (b"a\rb\r\n", [b"a\rb", "end"]),
        (b"12345678\r\n", [b"12345678", "end"]),  # ten octets with its end
        (b"123456789\r\nb\r\n", ["too long", b"b", "end"]),
        (b"123456789\nb\n", [b"123456789", b"b", "end"]),
        (b"1234567890\nb\n", ["too long", b"b", "end"]),
    ],
)
def test_lines(data, lines):
    assert collect(data) == lines
    assert collect(*[data[i : i + 1] for i in range(len(data))]) == lines


def test_a_line_without_end_ends_the_reading():
    assert collect(b"x" * 31, eof=False) == ["end"]
    assert collect(b"x" * 30, eof=False) == []


@given(st.lists(st.binary(max_size=8).filter(lambda line: b"\n" not in line and b"\r" not in line)), st.randoms())
def test_lines_do_not_depend_on_how_they_arrive(lines, random):
    data = b"".join(line + b"\r\n" for line in lines)
    cuts = sorted(random.randint(0, len(data)) for _ in range(random.randint(0, 5)))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert collect(*pieces) == [*lines, "end"]
