"""The log of ``mailtrap serve``: a line for each mail, and what the parts report."""

import json
import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

from .background import Background
from .hookspecs import fast, hookimpl

if TYPE_CHECKING:
    from .delivery.refusal import Refusal
    from .message.model import Message

_TOGETHER: Final = 0.02  # seconds in which lines gather


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
def logging_to(stream: IO[str], kind: str) -> Iterator[None]:
    """Write what is logged meanwhile.

    Args:
        kind: ``"text"``, or ``"json"`` for an object on each line.
    """
    handler = _Lines(stream)
    handler.setFormatter(_JSON() if kind == "json" else logging.Formatter("%(asctime)s %(message)s"))
    log = logging.getLogger("mailtrap")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()


class _Lines(logging.Handler):
    """Writes lines in a thread of its own, as many at once as there are: no mail waits for who reads them."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__()
        self._stream = stream
        self._waiting: deque[logging.LogRecord] = deque()
        self._background = Background("mailtrap-log", self._run)

    def emit(self, record: logging.LogRecord) -> None:
        self._waiting.append(record)
        self._background.wake()

    def close(self) -> None:
        """Write what waits, and end."""
        self._background.close()
        self._write()
        super().close()

    def _run(self) -> None:
        while self._background.due():
            self._background.pause(_TOGETHER)
            self._write()

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
        try:
            self._stream.write("".join(lines))
            self._stream.flush()
        except (OSError, ValueError):  # nobody reads it any more
            self.handleError(record)


class _JSON(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(
            {"at": self.formatTime(record), "level": record.levelname.lower(), "message": record.getMessage()}
        )
