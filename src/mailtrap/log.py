"""The log of ``mailtrap serve``: a line for each mail, and what the parts report."""

import io
import json
import logging
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

from .background import Background
from .hookspecs import fast, hookimpl

if TYPE_CHECKING:
    from .delivery.refusal import Refusal
    from .message.model import Message

_TOGETHER: Final = 0.02  # seconds in which lines gather
_PATIENCE: Final = 2.0  # seconds at the end for who reads slowly
_MOST: Final = 100_000  # lines that wait to be read


class Log:
    """A plugin: a line for each mail that is kept or refused."""

    def __init__(self) -> None:
        self._log = logging.getLogger("mailtrap")

    @hookimpl
    @fast
    def mailtrap_after_message(self, message: "Message") -> None:
        envelope = message.envelope
        self._log.info(
            "kept %s from <%s> to %s, %d octets", message.id, envelope.mail_from,
            ", ".join(envelope.recipients), message.size,
        )  # fmt: skip

    @hookimpl
    @fast
    def mailtrap_after_refusal(self, refusal: "Refusal") -> None:
        self._log.warning("refused %s of %s: %s", refusal.stage, refusal.session.peer[0] or "here", refusal.reply)


@contextmanager
def logging_to(stream: TextIO | None, kind: str) -> Iterator[None]:
    """Write what is logged meanwhile. Who does not read it keeps neither mail from coming in nor the end.

    Args:
        stream: None, as ``sys.stderr`` is in a process that has none: nothing is written.
        kind: ``"text"``, or ``"json"`` for an object on each line.
    """
    if stream is None:
        yield
        return
    handler = _Lines(_writing(stream))
    handler.setFormatter(_JSON() if kind == "json" else logging.Formatter("%(asctime)s %(message)s"))
    log = logging.getLogger("mailtrap")
    log.addHandler(handler)
    level = log.level
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
        handler.close()


class _Lines(logging.Handler):
    """Writes lines in a thread of its own, as many at once as there are: no mail waits for who reads them.

    Args:
        write: writes a text, and returns when that is done.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        super().__init__()
        self._put = write
        self._waiting: deque[logging.LogRecord] = deque()
        self._lost = 0
        self._background = Background("mailtrap-log", self._run)

    def emit(self, record: logging.LogRecord) -> None:
        if len(self._waiting) >= _MOST:
            self._lost += 1
            return
        self._waiting.append(record)
        self._background.wake()

    def close(self) -> None:
        """Write what waits, and end; what nobody reads is given up."""
        if not self._background.closing:  # Python closes each handler once more at its end
            self._background.close(_PATIENCE)
        super().close()

    def _run(self) -> None:
        while self._background.due():
            self._background.pause(_TOGETHER)
            self._write()
        self._write()  # what came since: whoever closes it must not be the one who waits for a reader

    def _write(self) -> None:
        if not self._waiting:
            return
        lines: list[str] = []
        while self._waiting:
            record = self._waiting.popleft()
            try:
                lines.append(self.format(record) + "\n")
            except Exception:  # noqa: BLE001  as each handler of logging: who logs something odd is told on stderr
                self.handleError(record)
        lost, self._lost = self._lost, 0
        if lost:
            lines.append(f"{lost} lines of the log were lost: nobody read it\n")
        try:
            self._put("".join(lines))
        except (OSError, ValueError):  # nobody reads it any more
            self.handleError(record)


def _writing(stream: TextIO) -> Callable[[str], object]:
    """How to write to a stream: past Python's buffer, whose lock the end of the process would wait for."""

    def slowly(text: str) -> None:
        stream.write(text)
        stream.flush()

    def directly(text: str) -> None:
        rest = memoryview(text.encode(stream.encoding, "backslashreplace"))
        while rest:
            rest = rest[os.write(number, rest) :]

    try:
        number = stream.fileno()
    except (io.UnsupportedOperation, ValueError):  # it is no file, or closed
        return slowly
    return directly


class _JSON(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(
            {"at": self.formatTime(record), "level": record.levelname.lower(), "message": record.getMessage()}
        )
