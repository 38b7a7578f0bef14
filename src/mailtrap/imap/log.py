"""What the transcript has of an IMAP session: commands without their secrets, and answers, long ones by their size."""

from collections.abc import Generator
from typing import Any, Final, TypeVar

from ..transcript import Session
from ..wire.secrets import redacted
from ..wire.steps import Step
from .responses import Reply

T = TypeVar("T")

_SHOWN: Final = bytes(c if 32 <= c != 127 else ord("?") for c in range(256))
_COMMANDS_PER_CUT: Final = 8  # so many commands share one piece of the transcript
_TOLD: Final = 2048  # octets of one step's output that still go into the transcript as they are


class Log:
    """Writes into the record of one session.

    Attributes:
        commands: how many had their tagged reply.
    """

    __slots__ = ("_octets", "_record", "commands")

    def __init__(self, record: Session) -> None:
        self.commands = 0
        self._record = record
        self._octets = 0  # of output that is there by its size only

    def command(self, text: bytes) -> None:
        """The client sent this command."""
        text = redacted(text).replace(b"\r\n", b" ")
        if not text.isascii():
            text = text.decode("utf-8", "replace").encode("ascii", "backslashreplace")
        self._record.command(text.translate(_SHOWN))

    def kept(self, steps: Generator[Step, Any, T], *, quiet: bool = False) -> Generator[Step, Any, T]:
        """Carry steps on, and keep what is said: in full where it is short and not ``quiet``, else by its size."""
        answer: Any = None
        error: Exception | None = None
        while True:
            try:
                step = steps.send(answer) if error is None else steps.throw(error)
            except StopIteration as done:
                value: T = done.value
                return value
            answer = error = None
            if isinstance(step, bytes):
                if quiet or len(step) > _TOLD:
                    self._octets += len(step)
                else:
                    self._record.reply(step)
            try:
                answer = yield step
            except Exception as raised:  # noqa: BLE001  the driver's error belongs to these steps
                error = raised

    def untagged(self, reply: Reply) -> bytes:
        """A line of the server's own accord: BYE, the greeting; to be sent."""
        line = reply.line()
        self._record.reply(line)
        return line

    def tagged(self, reply: Reply, tag: bytes) -> bytes:
        """The line that ends a command; to be sent."""
        if self._octets:
            self._record.note(b"%d octets of data" % self._octets)
            self._octets = 0
        line = reply.line(tag)
        self._record.reply(line)
        self.commands += 1
        if self.commands % _COMMANDS_PER_CUT == 0:
            self._record.cut()
        return line
