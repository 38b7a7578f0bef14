"""A connection's lower half: the transport, its layers, back-pressure, and every way to end.

It knows nothing of sessions. A subclass says what to do with input and when output may go on.

Invariants:
- Without layers octets pass straight between transport and session.
- A long piece of output is handed to the transport in chunks, the next when the last has left.
- ``end()`` sends all output first; where the client is still talking its input is read and dropped for a while, since
  closing a socket with unread input resets it and may take the last reply from the client.
- ``_lost`` is called once.
"""

import asyncio
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from .. import limits
from .hub import Hub
from .pipe import Pipe

_PROMPT: Final = 0.001  # seconds between two looks at slowed octets, at least
_PATIENT: Final = 0.05  # the same while the session takes none


class Connection(asyncio.BufferedProtocol):
    """One connection. Attributes that most connections never set are the class's."""

    _choked = False  # no output is taken now
    _transport_full = False
    _deaf = False  # not reading: too much input waits
    _eof = False  # the client will send no more
    _ending = False
    _lingering = False
    _gone = False
    _heard = True  # something came since the last look
    _since = 0.0  # when it was last heard, as of the looks
    _unsent_then = 0
    _chunks: deque[memoryview] | None = None
    _pipe: Pipe | None = None
    _pipe_timer: asyncio.TimerHandle | None = None
    _wire: asyncio.Transport
    _write: Callable[[bytes | memoryview], Any]

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    # ------------------------------------------------------------ for the upper half

    def _receive(self, data: bytes | memoryview) -> None:
        """Input came. It is copied."""
        raise NotImplementedError

    def _input_over(self) -> None:
        """All input was received."""
        raise NotImplementedError

    def _unread(self) -> int:
        """Octets received and not yet understood, where the session is busy; 0 where it waits for more."""
        raise NotImplementedError

    def _go_on(self) -> None:
        """Output is taken again."""
        raise NotImplementedError

    def _layers_moved(self) -> None:
        """Octets passed the layers: a handshake may have ended."""

    def _broken(self, reason: str) -> None:
        """A layer cannot go on; the connection ends."""
        raise NotImplementedError

    def _lost(self) -> None:
        """The connection is gone."""
        raise NotImplementedError

    # ------------------------------------------------------------ asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = wire = transport  # type: ignore[assignment]
        self._write = wire.write  # type: ignore[attr-defined]
        wire.set_write_buffer_limits(high=limits.WRITE_HIGH)  # type: ignore[attr-defined]

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self.hub.view

    def buffer_updated(self, nbytes: int) -> None:
        self._heard = True
        data = self.hub.view[:nbytes]
        if self._ending:
            return
        if self._pipe is not None:
            self._pipe.from_wire(data)
            self._move()
        else:
            self._receive(data)
            self._mind()

    def eof_received(self) -> bool:
        self._heard = self._eof = True
        if self._lingering or self._wire.is_closing():
            return False
        if self._pipe is not None:
            self._pipe.wire_ended()
            if not self._ending:
                self._move()
        elif not self._ending:
            self._input_over()
        return True

    def pause_writing(self) -> None:
        self._transport_full = self._choked = True

    def resume_writing(self) -> None:
        self._transport_full = False
        self._heard = True
        # Not at once: a transport of asyncio that is closed inside this callback loses its connection twice.
        self.hub.loop.call_soon(self._drained)

    def connection_lost(self, _exc: BaseException | None) -> None:
        self._ending = self._gone = True
        self._stop_pipe_timer()
        self._lost()

    # ------------------------------------------------------------ output

    def send(self, data: bytes) -> None:
        """Send octets through the layers. In the loop thread; nothing happens where the connection ends."""
        if self._ending:
            return
        if self._chunks or len(data) > limits.WRITE_CHUNK:
            if self._chunks is None:
                self._chunks = deque()
            self._chunks.append(memoryview(data))
            self._send_chunks()
        else:
            self._write(data)

    def _send_chunks(self) -> None:
        chunks = self._chunks
        while chunks and not self._full:
            data = chunks[0]
            self._write(data[: limits.WRITE_CHUNK])
            if len(data) > limits.WRITE_CHUNK:
                chunks[0] = data[limits.WRITE_CHUNK :]
            else:
                chunks.popleft()
        self._choked = bool(chunks) or self._full

    def _write_layers(self, data: bytes | memoryview) -> None:
        assert self._pipe is not None
        self._pipe.from_session(data)
        self._wire_out()

    def _wire_out(self) -> None:
        """Give the transport what the layers let out; end where they say so."""
        pipe = self._pipe
        assert pipe is not None
        data = pipe.to_wire(self.hub.loop.time())
        if data:
            self._wire.write(data)
        if pipe.cut and not self._gone:
            if pipe.reset:
                self.abort(reset=True)
            else:
                self._close_wire()
        else:
            self._choked = self._choked or self._full
            self._set_pipe_timer()

    @property
    def _full(self) -> bool:
        return self._transport_full or (self._pipe is not None and self._pipe.unsent > limits.WRITE_HIGH)

    def _drained(self) -> None:
        """Something left: go on with what waits for it."""
        if self._full or self._gone:
            return
        self._choked = False
        if self._chunks:
            self._send_chunks()
        if self._ending:
            self._finish_ending()
        elif not self._choked:
            self._go_on()

    # ------------------------------------------------------------ input

    def _mind(self) -> None:
        """Stop reading where too much input waits, read again where it does not."""
        unread = self._unread()
        if self._pipe is not None:
            unread += self._pipe.unread
        if unread > limits.UNPARSED_HIGH:
            if not self._deaf:
                self._deaf = True
                self._wire.pause_reading()
        elif self._deaf:
            self._deaf = False
            self._wire.resume_reading()

    def _move(self) -> None:
        """Let what the layers have for the session through, and what they have for the wire."""
        pipe = self._pipe
        assert pipe is not None
        while not self._ending:
            if self._unread() <= limits.UNPARSED_HIGH:
                data = pipe.to_session(self.hub.loop.time())
                self._wire_out()
                self._layers_moved()
                if data and not self._gone:
                    self._receive(data)
            if not pipe.pending or self._unread() > limits.UNPARSED_HIGH:
                break
        if self._ending:
            return
        if pipe.failed:
            self._wire_out()  # the alert
            self._broken(pipe.failed)
        elif pipe.ended:
            self._input_over()
        self._set_pipe_timer()
        self._mind()

    def _open_pipe(self) -> Pipe:
        if self._pipe is None:
            self._pipe = Pipe()
            self._write = self._write_layers
        return self._pipe

    def _set_pipe_timer(self) -> None:
        pipe = self._pipe
        due = None if pipe is None or self._gone else pipe.due
        if due is None:
            return
        loop = self.hub.loop
        due = max(due, loop.time() + (_PATIENT if self._unread() > limits.UNPARSED_HIGH else _PROMPT))
        if self._pipe_timer is not None:
            if self._pipe_timer.when() <= due:
                return
            self._pipe_timer.cancel()
        self._pipe_timer = loop.call_at(due, self._pipe_due)

    def _pipe_due(self) -> None:
        self._pipe_timer = None
        if self._gone:
            return
        self._wire_out()
        if not self._ending:
            self._move()
        self._drained()

    def _stop_pipe_timer(self) -> None:
        if self._pipe_timer is not None:
            self._pipe_timer.cancel()
            self._pipe_timer = None

    # ------------------------------------------------------------ ways to end

    def end(self) -> None:
        """The connection ends after the output before it has left."""
        if not self._ending:
            self._ending = True
            self._finish_ending()

    def leave(self) -> None:
        """The server stops: what the transport holds may still leave, nothing else is waited for."""
        if self._pipe is not None and not self._ending:
            self._pipe.close()
            self._wire_out()
        self._ending = True
        self._close_wire()

    def abort(self, reset: bool = False) -> None:
        """The connection ends now, with a TCP reset if so wished."""
        self._ending = True
        if self._gone:
            return
        if reset and (sock := self._wire.get_extra_info("socket")) is not None:
            form = "HH" if sys.platform == "win32" else "ii"
            with suppress(OSError):  # it is closed already
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(form, 1, 0))
        self._wire.abort()

    def _finish_ending(self) -> None:
        if self._lingering or self._gone or self._chunks or self._transport_full or self._wire.is_closing():
            return
        if self._pipe is not None:
            self._pipe.close()
            self._wire_out()
            if self._pipe.unsent or self._wire.is_closing():
                return
        if self._eof or not (self._deaf or self._left_over()):
            self._close_wire()
            return
        if self._wire.get_write_buffer_size():
            # Come back when all has left: asyncio itself would let out what shutting down a reset connection raises.
            self._wire.set_write_buffer_limits(high=0)
            return
        try:
            self._wire.write_eof()
        except OSError:  # the client was faster
            self._close_wire()
            return
        self._lingering = True
        self._since = self.hub.loop.time()
        if self._deaf:
            self._wire.resume_reading()

    def _left_over(self) -> bool:
        """Whether input of the client was not read to its end."""
        return self._pipe is not None and self._pipe.unread > 0

    def _close_wire(self) -> None:
        self._ending = True
        self._wire.close()

    def _quiet_too_long(self, now: float, patience: float) -> bool:
        """Whether nothing came and nothing left for so many seconds. Asked at each look of the hub."""
        unsent = self._wire.get_write_buffer_size()
        if self._lingering and not unsent:
            return now - self._since >= limits.LINGER
        if self._heard or unsent < self._unsent_then:
            self._heard = False
            self._since = now
        self._unsent_then = unsent
        return now - self._since >= patience
