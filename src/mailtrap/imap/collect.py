"""Gathering one command: lines and literals, within limits (RFC 3501, 2.2.1 and 4.3; RFC 7888).

``Collector`` takes octets out of the session's buffer and says what happened; what to do about an announced literal
it leaves to the session, which knows the command, the limits and the quota.

    Command     it is whole
    Announced   a literal is about to come: ``accept()`` or ``refuse()``
    Dropped     a command that was refused, or whose lines were too long, has come to its end
    Overflow    more came than is dropped in patience: only the end of the connection is left

What is refused is read and dropped to its end, so that the next command is found: a client that does not wait
(``{5+}``) has sent it already. One that waits will not send it, so the command ends there.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .. import limits

_LITERAL: Final = re.compile(rb"(?P<eight>~)?\{(?P<size>[0-9]{1,20})(?P<plus>\+)?\}\Z")
_TAIL: Final = 32  # octets of a dropped line that may still show a literal at its end


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its text without the last line end, its literals taken out (see ``tokens``)."""

    text: bytes
    literals: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Announced:
    """A literal is announced.

    Attributes:
        command: as far as it has come, the announcement included.
        size: octets of the literal.
        total: octets of it and of the literals before it.
        synchronizing: whether the client waits for the continuation.
    """

    command: Command
    size: int
    total: int
    synchronizing: bool


@dataclass(frozen=True, slots=True)
class Dropped:
    """The end of a command that is not kept; ``text`` is how it began."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Overflow:
    """Too much to be dropped."""


Event = Command | Announced | Dropped | Overflow


class Collector:
    """Takes commands out of a buffer, which it shares with the session."""

    def __init__(self, buffer: bytearray) -> None:
        self._buffer = buffer
        self._reset()

    def _reset(self) -> None:
        self._text = bytearray()
        self._literals: list[bytes] = []
        self._total = 0
        self._searched = 0
        self._literal: bytearray | None = None  # the one that is filled now
        self._missing = 0  # octets of it that have not come
        self._skip = 0  # octets of a literal to be dropped
        self._skipped = 0  # of all those of the command
        self._dropping = False
        self._dropped = 0
        self._announced: Announced | None = None

    def next(self) -> Event | None:
        """What happened; None where more input is needed."""
        if self._skipped > limits.IMAP_DROP:
            return Overflow()
        while self._literal_is_here():
            line = self._line()
            if line is None:
                return self._overlong()
            event = self._took(line)
            if event is not None:
                return event
        return None

    @property
    def between(self) -> bool:
        """Whether no command has come in part, but for its first line."""
        return not self._text and self._literal is None and not self._skip and self._announced is None

    def accept(self) -> None:
        """Read the announced literal."""
        assert self._announced is not None
        self._literal = bytearray()  # it grows as octets come: what is only announced must not cost memory
        self._missing = self._announced.size
        self._announced = None

    def refuse(self) -> None:
        """Drop the announced literal and the rest of its command. ``Dropped`` follows unless the client waits."""
        assert self._announced is not None
        announced, self._announced = self._announced, None
        if announced.synchronizing:
            self._reset()
        else:
            self._begin_dropping()
            self._skip = self._skipped = announced.size

    # ------------------------------------------------------------ literals

    def _literal_is_here(self) -> bool:
        """Take what belongs to a literal; whether none is being waited for."""
        buffer = self._buffer
        if self._skip:
            taken = min(self._skip, len(buffer))
            del buffer[:taken]
            self._skip -= taken
            return not self._skip
        literal = self._literal
        if literal is None:
            return True
        taken = min(self._missing, len(buffer))
        with memoryview(buffer) as view:
            literal += view[:taken]
        del buffer[:taken]
        self._missing -= taken
        if self._missing:
            return False
        self._literals.append(bytes(literal))
        self._literal = None
        return True

    # ------------------------------------------------------------ lines

    def _line(self) -> bytes | None:
        buffer = self._buffer
        found = buffer.find(b"\n", self._searched)
        if found < 0:
            self._searched = len(buffer)
            return None
        line = bytes(buffer[: found - 1 if found and buffer[found - 1] == 13 else found])
        del buffer[: found + 1]
        self._searched = 0
        return line

    def _overlong(self) -> Event | None:
        """No line end yet: how long may it become?"""
        if not self._dropping and len(self._text) + len(self._buffer) > limits.IMAP_LINE:
            self._text += self._buffer[: limits.LINE_LOG]
            self._begin_dropping()
        if self._dropping and len(self._buffer) > _TAIL:
            self._dropped += len(self._buffer) - _TAIL
            del self._buffer[:-_TAIL]
            self._searched = _TAIL
        return Overflow() if self._dropped > limits.IMAP_LINE_END else None

    def _begin_dropping(self) -> None:
        self._dropping = True
        self._literals = []
        del self._text[limits.LINE_LOG :]

    def _took(self, line: bytes) -> Event | None:
        if not self._dropping and len(self._text) + len(line) > limits.IMAP_LINE:
            self._text += line[: limits.LINE_LOG]
            self._begin_dropping()
        announced = _LITERAL.search(line) if line.endswith(b"}") else None
        if self._dropping:
            return self._drop(announced)
        self._text += line
        if announced is None:
            command = Command(bytes(self._text), self._literals)
            self._reset()
            return command
        self._text += b"\r\n"
        size = int(announced["size"])
        self._total += size
        self._announced = Announced(
            Command(bytes(self._text), self._literals), size, self._total, announced["plus"] is None
        )
        return self._announced

    def _drop(self, announced: re.Match[bytes] | None) -> Event | None:
        if announced is None or announced["plus"] is None:
            dropped = Dropped(bytes(self._text))
            self._reset()
            return dropped
        self._skip = int(announced["size"])
        self._skipped += self._skip
        return Overflow() if self._skipped > limits.IMAP_DROP else None
