"""Reading lines out of a machine's buffer: for POP3, SASL responses, and whoever else reads line by line.

A line ends with CRLF or a bare LF; what is left without an end when the input ends is no line.
"""

from collections.abc import Generator
from typing import Any

from .machine import Machine
from .steps import NEED_DATA, Step


class LineTooLong(Exception):
    """A line was over the limit; it was read to its end and dropped, and the conversation may go on."""


class InputEnded(Exception):
    """There is no further line: the client has ended its side, or sent an endless line."""


def read_line(machine: Machine, limit: int, end: int) -> Generator[Step, Any, bytes]:
    """The next line without its line end. Other wake-ups than input are passed over.

    Args:
        machine: whose buffer is read.
        limit: octets, line end included, above which a line is ``LineTooLong``.
        end: octets without a line end above which nothing more is read.

    Raises:
        LineTooLong: see there.
        InputEnded: see there.
    """
    buffer = machine.buffer
    searched = 0
    while (found := buffer.find(b"\n", searched)) < 0:
        searched = len(buffer)
        if machine.eof or searched > end:
            raise InputEnded
        yield NEED_DATA
    if found >= limit:
        del buffer[: found + 1]
        raise LineTooLong
    line = bytes(buffer[: found - 1 if found and buffer[found - 1] == 13 else found])
    del buffer[: found + 1]
    return line
