"""The bell of a server elsewhere: it rings when the event stream tells of something."""

import http.client
import socket
import threading
from contextlib import suppress
from typing import Final

from ..errors import MailtrapError
from ..waiting import Bell
from .client import Client

SILENCE: Final = 45.0  # seconds without a word, three heartbeats, after which the connection is taken for dead
PAUSE: Final = 0.1  # seconds between a stream that ended and the next


class FollowingBell(Bell):
    """Follows the events while somebody waits for them, and a little longer.

    It rings when the stream begins, too: what came before that is found by looking. It rings when the stream ends, so
    that whoever waits looks, and learns from the answer whether the server is still there.
    """

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._sock: socket.socket | None = None
        self._ended = threading.Event()

    def wait(self, rings: int, timeout: float) -> None:
        """Sleep until it has rung more often than ``rings``, or so many seconds."""
        self._follow()
        super().wait(rings, timeout)

    def close(self) -> None:
        """Follow no longer."""
        with self._guard:
            self._ended.set()
            sock, thread = self._sock, self._thread
        if sock is not None:
            with suppress(OSError):  # it ended by itself
                sock.shutdown(socket.SHUT_RDWR)
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)
        self.ring()

    def _follow(self) -> None:
        with self._guard:
            if self._ended.is_set() or (self._thread is not None and self._thread.is_alive()):  # a fork has no threads
                return
            self._thread = threading.Thread(target=self._read, name="mailtrap-events", daemon=True)
            self._thread.start()

    def _read(self) -> None:
        connection: http.client.HTTPConnection | None = None
        try:
            response, connection = self._client.stream("/events", {"scope": "*"}, SILENCE)
            with self._guard:
                self._sock = connection.sock
                if self._ended.is_set():
                    return
            while line := response.readline():
                if line.startswith(b"event:"):
                    self.ring()
        except (MailtrapError, OSError, ValueError, http.client.HTTPException):
            # Whoever waits asks the server next, and is told there what is wrong.
            pass
        finally:
            with self._guard:
                self._sock = None
            if connection is not None:
                connection.close()
            self._ended.wait(PAUSE)
            with self._guard:
                self._thread = None
            self.ring()
