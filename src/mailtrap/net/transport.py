"""A connection's socket in the event loop: an asyncio transport without what our protocols do not need.

asyncio's own takes a task, four callbacks and three system calls more for each connection, and four more calls for each
piece of input. This one reads into the buffer that all connections of a server share, writes at once what the socket
takes, and is called by the loop's selector itself.

Invariants: ``connection_lost`` is called once, never inside another callback of the protocol, and nothing after it.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from .selector import READ, WRITE, Selector

_HIGH: Final = 64 * 1024  # asyncio's own default


class Transport(asyncio.Transport):
    """One connection.

    Args:
        loop: its event loop, in whose thread everything is called.
        selector: the loop's.
        sock: connected, not blocking; it is the transport's from now on.
        peername: its other end, as ``accept()`` gave it.
        view: what it reads into; the protocol copies what it wants to keep.
        protocol: its ``connection_made`` is called at once, before anything is read.
    """

    __slots__ = (
        "_buffer", "_closing", "_eof", "_fd", "_full", "_high", "_loop", "_lost", "_peername", "_protocol", "_reading",
        "_recv", "_selector", "_send", "_sock", "_updated", "_view", "_watched",
    )  # fmt: skip

    def __init__(
        self, loop: asyncio.AbstractEventLoop, selector: Selector, sock: socket.socket, peername: Any,
        view: memoryview, protocol: asyncio.BufferedProtocol,
    ) -> None:  # fmt: skip
        self._loop = loop
        self._selector = selector
        self._fd = sock.fileno()
        self._watched = 0  # the events that the selector tells
        self._sock = sock
        self._peername = peername
        self._view = view
        self._protocol: asyncio.BufferedProtocol | None = protocol
        self._recv = sock.recv_into
        self._send = sock.send
        self._updated: Callable[[int], None] = protocol.buffer_updated
        self._buffer: bytearray | None = None  # what the socket did not take
        self._high = _HIGH
        self._full = False  # the protocol was told to pause
        self._eof = False  # nothing more is written
        self._closing = False
        self._lost = False  # connection_lost is on its way, or was called
        self._reading = False
        protocol.connection_made(self)
        if not self._closing:
            self.resume_reading()

    def _watch(self, events: int) -> None:
        if events == self._watched:
            return
        if not events:
            self._selector.unwatch(self._fd)
        elif self._watched:
            self._selector.rewatch(self._fd, events, self._ready)
        else:
            self._selector.watch(self._fd, events, self._ready)
        self._watched = events

    def _ready(self, events: int) -> None:
        if events & READ and self._reading:
            self._readable()
        if events & WRITE and self._watched & WRITE:
            self._writable()

    # ------------------------------------------------------------ input

    def _readable(self) -> None:
        try:
            size = self._recv(self._view)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.abort()  # the client has reset the connection
            return
        if size:
            self._updated(size)
            return
        protocol = self._protocol
        if protocol is not None and protocol.eof_received():
            self.pause_reading()  # there is nothing to read, and it would be ready for ever
        else:
            self.close()

    def is_reading(self) -> bool:
        return self._reading

    def pause_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._watch(self._watched & ~READ)

    def resume_reading(self) -> None:
        if not self._reading and not self._closing:
            self._reading = True
            self._watch(self._watched | READ)

    # ------------------------------------------------------------ output

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._eof:
            raise RuntimeError("nothing can be written after write_eof()")
        if self._lost:
            return
        buffer = self._buffer
        if buffer is None:
            try:
                sent = self._send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                self.abort()
                return
            if sent == len(data):
                return
            self._buffer = buffer = bytearray(memoryview(data)[sent:])
            self._watch(self._watched | WRITE)
        else:
            buffer += data
        self._look_whether_full()

    def _writable(self) -> None:
        buffer = self._buffer
        if buffer is None or self._lost:
            return
        try:
            sent = self._send(buffer)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.abort()
            return
        if sent < len(buffer):
            del buffer[:sent]
        else:
            self._buffer = None
            self._watch(self._watched & ~WRITE)
        if self._full and self.get_write_buffer_size() <= self._high // 4:
            self._full = False
            if self._protocol is not None:
                self._protocol.resume_writing()
        if self._buffer is None and not self._lost:
            if self._closing:
                self._lose()
            elif self._eof:
                self._shut()

    def _look_whether_full(self) -> None:
        if not self._full and self._protocol is not None and self.get_write_buffer_size() > self._high:
            self._full = True
            self._protocol.pause_writing()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if self._closing or self._eof:
            return
        self._eof = True
        if self._buffer is None:
            self._sock.shutdown(socket.SHUT_WR)

    def _shut(self) -> None:
        with suppress(OSError):  # the client has reset it
            self._sock.shutdown(socket.SHUT_WR)

    def get_write_buffer_size(self) -> int:
        return 0 if self._buffer is None else len(self._buffer)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._high // 4, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:  # noqa: ARG002
        """high: octets that may wait before the protocol is told to pause; below a quarter of them it may go on."""
        self._high = _HIGH if high is None else high
        self._look_whether_full()

    # ------------------------------------------------------------ the end

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """Nothing more is read; what is written already still leaves."""
        if not self._closing:
            self.pause_reading()
            self._closing = True
            if self._buffer is None:
                self._lose()

    def abort(self) -> None:
        """The end, without waiting for anything."""
        if self._lost:
            return
        self.pause_reading()
        self._closing = True
        if self._buffer is not None:
            self._buffer = None
            self._watch(self._watched & ~WRITE)
        self._lose()

    def _lose(self) -> None:
        self._lost = True
        self._loop.call_soon(self._end)

    def _end(self) -> None:
        protocol, self._protocol = self._protocol, None
        try:
            if protocol is not None:
                protocol.connection_lost(None)
        finally:
            self._sock.close()
            del self._recv, self._send, self._updated  # each refers to what refers to this

    # ------------------------------------------------------------ what is known of it

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """``peername``, ``sockname`` and ``socket``."""
        if name == "peername":
            return self._peername
        if name == "socket":
            return self._sock
        if name == "sockname":
            try:
                return self._sock.getsockname()
            except OSError:
                return default
        return default


class Acceptor:
    """A listening socket in the event loop.

    Args:
        selector: the loop's.
        sock: listening, not blocking; it is the acceptor's from now on.
        make: is given each connection, not blocking, and its other end's address.
        report: is told when none can be accepted for a while: the process has too many files open.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, selector: Selector, sock: socket.socket,
        make: Callable[[socket.socket, Any], object], report: Callable[[OSError], None],
    ) -> None:  # fmt: skip
        self._loop = loop
        self._selector = selector
        self._sock = sock
        self._make = make
        self._report = report
        self._timer: asyncio.TimerHandle | None = None
        self._resume()

    def _resume(self) -> None:
        self._timer = None
        self._selector.watch(self._sock.fileno(), READ, self._ready)

    def _ready(self, _: int) -> None:
        # One at a time: a second look would cost a system call, and the loop comes back as long as there are more.
        try:
            sock, address = self._sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            self._report(error)
            self._selector.unwatch(self._sock.fileno())
            self._timer = self._loop.call_later(_PATIENCE, self._resume)
            return
        sock.setblocking(False)
        self._make(sock, address)

    def close(self) -> None:
        """Accept no more."""
        if self._timer is not None:
            self._timer.cancel()
        else:
            self._selector.unwatch(self._sock.fileno())
        self._sock.close()


_PATIENCE: Final = 1.0  # seconds until it is tried again to accept
