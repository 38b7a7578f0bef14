"""A connection's upper half: takes the steps of one session and carries them out.

Invariants:
- The session is touched in the loop thread only, by one step at a time: ``_pump`` is never entered twice.
- The next step is taken only while output is taken (``limits.WRITE_HIGH``): a client that does not read stops its own
  session and no other. Consecutive output leaves in one write.
- A ``Call`` or ``Later`` that has begun is never cancelled; where the connection was lost meanwhile its result is
  dropped and the session closed after it.
- No exception of a session, a hook or a store leaves: it is the session's to handle, or it is reported and ends the
  connection.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Sequence
from enum import Enum
from threading import Event, get_ident
from typing import TYPE_CHECKING, Any, Final

from .. import clock, limits
from ..wire.machine import Machine
from ..wire.peers import trusted
from ..wire.steps import (
    NEED_DATA,
    Call,
    Close,
    Delay,
    Done,
    EndDeflate,
    Hold,
    Later,
    Pause,
    Shape,
    StartDeflate,
    StartTLS,
    Step,
    Watch,
)
from .connection import Connection
from .hub import ContextProvider, Hub
from .proxy import BadHeader
from .tls import HANDSHAKE_RECORD

if TYPE_CHECKING:
    import ssl

MakeMachine = Callable[[tuple[str, int]], Machine]


class State(Enum):
    """What the session is doing."""

    RUNNING = 1  # the next step may be taken
    PARKED = 2  # it waits for input
    WORKING = 3  # a call that must not be dropped
    WAITING = 4  # for time, a rule, its turn
    HANDSHAKE = 5  # for TLS
    OVER = 6


_RUNNING, _PARKED, _WORKING = State.RUNNING, State.PARKED, State.WORKING
_WAITING, _HANDSHAKE, _OVER = State.WAITING, State.HANDSHAKE, State.OVER
_TURNS: Final = range(limits.STEPS)
_PATIENCE: Final = 1.0  # seconds that who disconnects waits for the loop
_WRITE_HIGH: Final = limits.WRITE_HIGH
_WRITE_CHUNK: Final = limits.WRITE_CHUNK
_UNPARSED_HIGH: Final = limits.UNPARSED_HIGH


class Driver(Connection):
    """Drives one session over one connection.

    Attributes:
        machine: the session; set when the connection is made.
        peer: host and port of the client.
        begun: the session's peer is known; before, a PROXY header is waited for.
    """

    machine: Machine
    peer: tuple[str, int] = ("", 0)
    _ticket = 0  # the wait whose end is awaited: results of any other are dropped
    _timer: asyncio.TimerHandle | None = None
    _alarm: asyncio.TimerHandle | None = None
    _watching: Sequence[Hashable] = ()
    _eof_told = False
    begun = False

    def __init__(self, hub: Hub, make_machine: MakeMachine, tls: ContextProvider | None = None) -> None:
        """tls: makes the context where the connection begins with TLS; may be slow."""
        self.hub = hub
        self._make_machine = make_machine
        self._implicit = tls
        # What is looked at for every piece of input is found faster in the object than in its class.
        self._pipe = self._chunks = None
        self._deferred: Step | None = None
        self._choked = self._ending = self._gone = self._pumping = False
        self._state: State = _RUNNING
        self._inline = not hub.store_blocking

    # ------------------------------------------------------------ the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        hub = self.hub
        peer = transport.get_extra_info("peername")
        if peer:
            self.peer = peer[:2]
        if hub.closing:
            self._state = _OVER
            self.abort()
            return
        try:
            self.machine = machine = self._make_machine(self.peer)
        except BaseException as error:  # noqa: BLE001  reported
            self._state = _OVER
            hub.report(error, None)
            self.abort()
            return
        machine.record.on_disconnect(self._disconnect)
        live = machine.scope.live
        if live.proxy_protocol and trusted(live.trusted_proxies, self.peer[0]):
            hub.opened(self)
            self._state = _HANDSHAKE
            self._open_pipe().held = True
            return
        self._begin_session()
        hub.opened(self)
        if self._implicit is None:
            self._pump()
        else:
            self._state = _HANDSHAKE
            self._open_pipe().held = True

    def _begin_session(self) -> None:
        """The peer is known."""
        self.begun = True
        self.machine.turned_away = self.hub.crowd(self)

    def _take_header(self) -> bool:
        """Look for the PROXY header that comes before anything else; whether the session goes on behind it now."""
        pipe, record = self._open_pipe(), self.machine.record
        try:
            header = pipe.take_header()
        except BadHeader as error:
            self._broken(f"PROXY header: {error}")
            return False
        if header is None:
            return False
        if header.source is None or header.destination is None:
            record.note(b"PROXY header without addresses")
        else:
            way = "{}:{} to {}:{}".format(*header.source, *header.destination)
            record.note(f"PROXY header of {self.peer[0]}:{self.peer[1]}: {way}".encode())
            self.peer = record.peer = header.source
        self._begin_session()
        return True

    def buffer_updated(self, nbytes: int) -> None:
        if self._pipe is not None or self._ending:
            super().buffer_updated(nbytes)
            return
        self._heard = True
        machine = self.machine
        machine.receive(self.hub.view[:nbytes])
        if self._state is _PARKED:
            self._state = _RUNNING
            self._pump()
        elif len(machine.buffer) > _UNPARSED_HIGH:
            self._mind()

    def _lost(self) -> None:
        if self not in self.hub.drivers:  # there was never a session
            return
        self.hub.closed(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._watching:
            self.hub.watch(self, self._watching, ())
        self._set_alarm(None)
        if self._state is _WORKING:
            self.hub.unfinished(self, True)
        else:
            self._close_machine()

    def _close_machine(self) -> None:
        self._state = _OVER
        machine = self.machine
        try:
            machine.close()
        except BaseException as error:  # noqa: BLE001  reported
            self.hub.report(error, machine.scope)
        if machine.release is not None:
            self._release(machine, machine.release)
        machine.record.close()
        self.hub.unfinished(self, False)

    def _release(self, machine: Machine, release: Callable[[], None]) -> None:
        """Give back what the session held, as a call is answered."""

        def done(_value: None, error: BaseException | None = None) -> None:
            if error is not None and not self.hub.closing:
                self.hub.report(error, machine.scope)

        if self.hub.store_blocking:
            self.hub.work(release, (), done)
            return
        try:
            release()
        except BaseException as error:  # noqa: BLE001  reported
            done(None, error)

    def _disconnect(self) -> None:
        """From any thread. It has happened on return: what the client sends then is not answered any more."""
        if get_ident() == self.hub.thread.ident:
            self.abort()
            return
        done = Event()

        def run() -> None:
            self.abort()
            done.set()

        self.hub.thread.post(run)
        done.wait(_PATIENCE)  # a loop that has stopped drops it, and has closed the connection itself

    # ------------------------------------------------------------ input

    def _receive(self, data: bytes | memoryview) -> None:
        self.machine.receive(data)
        if self._state is _PARKED:
            self._state = _RUNNING
            self._pump()

    def _input_over(self) -> None:
        machine = self.machine
        if machine.eof:
            return
        machine.end_of_input()
        if self._state is _PARKED:
            self._state = _RUNNING
            self._pump()
        elif self._state is _HANDSHAKE:
            self._broken("TLS failed: the client left" if self.begun else "PROXY header: the client left before it")

    def _unread(self) -> int:
        return 0 if self._state is _PARKED else len(self.machine.buffer)

    def _left_over(self) -> bool:
        return bool(self.machine.buffer) or super()._left_over()

    def hinted(self) -> None:
        """Something happened in a mailbox that the session watches."""
        if self._ending:
            return
        self.machine.wake()
        if self._state is _PARKED:
            self._state = _RUNNING
            self._pump()

    def let_go(self, data: bytes) -> None:
        """Send what the hub held: nothing else was sent meanwhile, as the session went no further."""
        self._write(data)

    # ------------------------------------------------------------ steps

    def _go_on(self) -> None:
        self._pump()

    def _pump(self) -> None:
        """Take steps until the session waits, output is not taken, or others should have their turn."""
        if self._state is not _RUNNING or self._choked or self._pumping or self._ending:
            return
        self._pumping = True
        out: list[bytes] = []
        try:
            if self._deferred is not None:
                step, self._deferred = self._deferred, None
                if not self._carry_out(step):
                    return
            step = self.machine.next()
            if type(step) is bytes and self._pipe is None and not self._chunks and len(step) <= _WRITE_HIGH:
                # By far the most: one reply, and then the session waits.
                out.append(step)
                following = self.machine.next()
                if following is NEED_DATA and not self._deaf and not self.machine.eof:
                    self._state = _PARKED
                    self._write(step)
                    return
                step = following
            self._take_steps(step, out)
        except BaseException as error:  # noqa: BLE001  reported
            self._session_failed(error, out)
        finally:
            self._pumping = False

    def _take_steps(self, step: Any, out: list[bytes]) -> None:  # noqa: C901  one loop, for speed
        """Take steps, beginning with one that was taken already, behind output that was not sent yet."""
        machine = self.machine
        advance = machine.next
        size = len(out[0]) if out else 0
        for turn in _TURNS:
            if turn:
                step = advance()
            kind = type(step)
            if kind is bytes:
                out.append(step)
                size += len(step)
                if size > _WRITE_HIGH:
                    self._flush(out)
                    size = 0
                    if self._choked or self._ending:
                        return
            elif step is NEED_DATA:
                if self._pipe is not None or machine.eof or self._deaf:
                    self._flush(out)
                    size = 0
                    if self._more_input():
                        continue
                self._state = _PARKED
                break
            elif kind is Call:
                if self._inline and not step.worker:
                    try:
                        value = step.function(*step.args)
                    except BaseException as error:  # noqa: BLE001  the session's
                        machine.fail(error)
                    else:
                        machine.answer(value)
                else:
                    self.hub.work(step.function, step.args, self._await(_WORKING))
                    break
            elif kind is Later:
                done = self._await(_WORKING)
                try:
                    step.function(*step.args, done)
                except BaseException as error:  # noqa: BLE001  the session's
                    done(None, error)
                if self._state is not _RUNNING:
                    break
            else:
                self._flush(out)
                size = 0
                if not self._carry_out(step):
                    return
        else:
            self._state = _WAITING
            self.hub.loop.call_soon(self._next_turn)
        if out:
            if self._pipe is None and not self._chunks and size <= _WRITE_CHUNK:  # a wire that closes takes nothing
                data = out[0] if len(out) == 1 else b"".join(out)
                if self.hub.held is None:
                    self._write(data)
                else:
                    self.hub.held.append((self, data))
            else:
                self._flush(out)

    def _flush(self, out: list[bytes]) -> None:
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            if not self._wire.is_closing():
                self.send(data)

    def _more_input(self) -> bool:
        """Whether there is more for a session that needs it: input in the layers, or the news that none will come."""
        machine, pipe = self.machine, self._pipe
        if pipe is not None and pipe.pending and not machine.eof:
            data = pipe.to_session(self.hub.loop.time())
            self._wire_out()
            machine.receive(data)
            if pipe.failed:
                self._broken(pipe.failed)
                return False
            return True
        if pipe is not None and pipe.ended:
            machine.end_of_input()
        if machine.eof:
            if self._eof_told:  # it waits for what will never come
                self.end()
                return False
            self._eof_told = True
            return True
        if self._deaf:
            self._state = _PARKED  # now it waits for input
            self._mind()
        return False

    def _carry_out(self, step: Step) -> bool:
        """Do what a rarer step says; all output before it was sent. Whether the next may be taken."""
        kind = type(step)
        if kind in (StartTLS, StartDeflate, EndDeflate, Shape) and self._chunks:
            self._deferred = step  # the output before it has not passed the layers yet
            return False
        if isinstance(step, Close):
            self._state = _OVER
            if step.abort or step.reset:
                self.abort(step.reset)
            else:
                self.end()
            return False
        if isinstance(step, Watch):
            self.hub.watch(self, self._watching, step.wanted)
            self._watching = step.wanted
            self._set_alarm(step.seconds)
            return True
        if isinstance(step, Pause):
            self._state = _WAITING
            self.hub.loop.call_soon(self._next_turn)
            return False
        if isinstance(step, Delay):
            self._timer = self.hub.loop.call_later(step.seconds, self._await(_WAITING), None, None)
            return False
        if isinstance(step, Hold):
            done = self._await(_WAITING)
            try:
                step.subscribe(lambda: done(None, None))
            except BaseException as error:  # noqa: BLE001  the session's
                done(None, error)
            return self._state is _RUNNING
        if isinstance(step, Shape):
            self._open_pipe().shape(step)
            self._wire_out()
            return not self._ending
        if isinstance(step, StartTLS):
            return self._start_tls()
        if isinstance(step, StartDeflate):
            return self._start_deflate()
        if isinstance(step, EndDeflate):
            self._open_pipe().end_deflate()
            return True
        raise TypeError(f"not a step: {step!r}")

    def _set_alarm(self, seconds: float | None) -> None:
        """Wake the session after so many seconds, and not as was said before."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None if seconds is None else self.hub.loop.call_later(seconds, self.hinted)

    def _next_turn(self) -> None:
        if self._state is _WAITING:
            self._state = _RUNNING
            self._pump()

    # ------------------------------------------------------------ waits

    def _await(self, state: State) -> Done:
        """Wait in this state. The function returned ends the wait, once, from any thread."""
        self._state = state
        self._ticket = ticket = self._ticket + 1

        def done(value: Any, error: BaseException | None = None) -> None:
            if get_ident() != self.hub.thread.ident:
                self.hub.thread.post(self._resume, ticket, value, error)
            elif self._pumping:
                if ticket == self._ticket and self._state is state and not self._gone:  # as _resume does
                    self._ticket += 1
                    self._state = _RUNNING
                    if error is None:
                        self.machine.answer(value)
                    else:
                        self.machine.fail(error)
                else:
                    self._resume(ticket, value, error)
            else:  # never inside another session's step
                self.hub.loop.call_soon(self._resume, ticket, value, error)

        return done

    def _resume(self, ticket: int, value: Any, error: BaseException | None) -> None:
        if ticket != self._ticket or self._state is _OVER:
            return
        self._ticket += 1
        self._timer = None
        self._heard = True
        if self._gone:
            self._close_machine()
            return
        if error is None:
            self.machine.answer(value)
        else:
            self.machine.fail(error)
        self._state = _RUNNING
        self._pump()

    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any], done: Done) -> None:
        """Run a coroutine in the loop and tell ``done``; made for ``Later(driver.run_coroutine, coroutine)``."""
        self.hub.run_coroutine(coroutine, done)

    # ------------------------------------------------------------ layers

    def _start_tls(self) -> bool:
        pipe = self._open_pipe()
        if self.hub.tls is None or pipe.tls is not None:
            self.machine.fail(RuntimeError("TLS cannot start here"))
            return True
        # Whatever came before the layer was said in clear by who knows whom (RFC 3207, 4.2).
        self.machine.buffer.clear()
        pipe.drop_input()
        pipe.held = True
        self._await(_HANDSHAKE)
        self._prepare_tls(self.hub.tls)
        return False

    def _prepare_tls(self, provider: ContextProvider) -> None:
        ticket = self._ticket

        def made(context: "ssl.SSLContext | None", error: BaseException | None) -> None:
            if self._state is not _HANDSHAKE or ticket != self._ticket or self._ending:
                return
            if context is None:
                self.hub.report(error or RuntimeError("no TLS context"), self.machine.scope)
                self._broken("TLS failed: no certificate")
                return
            self._open_pipe().start_tls(context)
            self._move()

        self.hub.context(provider, made)

    def _layers_moved(self) -> None:
        if self._state is not _HANDSHAKE:
            return
        pipe = self._pipe
        assert pipe is not None
        if not self.begun:
            if not self._take_header():
                return
            if self._implicit is None:
                pipe.held = False
                self._state = _RUNNING
                self._pump()
                return
        if pipe.tls is None:
            if self._implicit is not None and pipe.first is not None:
                # The context is made now, for a client that means it.
                provider, self._implicit = self._implicit, None
                if pipe.first != HANDSHAKE_RECORD:
                    self._broken("TLS failed: the client began without it")
                else:
                    self._prepare_tls(provider)
            return
        agreed = pipe.tls.established
        if agreed is None:
            return
        record = self.machine.record
        record.tls = agreed
        record.note(f"TLS {agreed.version} {agreed.cipher}".encode())
        if self._ticket:
            self._resume(self._ticket, agreed, None)
        else:  # it began with TLS: no step waits for it
            self._state = _RUNNING
            self._pump()

    def _start_deflate(self) -> bool:
        pipe = self._open_pipe()
        if pipe.deflated:
            self.machine.fail(RuntimeError("deflate is on already"))
            return True
        data = bytes(self.machine.buffer)
        self.machine.buffer.clear()
        pipe.start_deflate(data)
        return True

    # ------------------------------------------------------------ ways to end

    def _broken(self, reason: str) -> None:
        self.machine.record.note(reason.encode("utf-8", "replace"))
        self._state = _OVER
        self.end()

    def _session_failed(self, error: BaseException, out: list[bytes]) -> None:
        self._state = _OVER
        self.hub.report(error, self.machine.scope)
        self._flush(out)
        self.end()

    @property
    def patience(self) -> float:
        """Seconds after which the connection may have to end, at the earliest."""
        machine = self.machine
        total = machine.scope.live.session_timeout
        return min(machine.timeout, total) if total else machine.timeout

    def swept(self, now: float) -> None:
        """The hub looks at every connection now and then: end it where nothing happens for too long."""
        state = self._state
        machine = self.machine
        if (state is _WORKING or state is _WAITING) and not self._choked and not self._ending:
            self._heard = True
        total = machine.scope.live.session_timeout
        outlived = total > 0 and clock.now() - machine.record.opened_at >= total
        if outlived and state is _WORKING and not self._gone:
            return  # a mail that is being kept: its sender hears of it
        if not self._quiet_too_long(now, machine.timeout) and not outlived:
            return
        if self._ending or self._choked or state is not _PARKED:
            self.abort()
            return
        self._state = _OVER
        try:
            self.send(machine.outlived() if outlived else machine.expired())
        except BaseException as error:  # noqa: BLE001  reported
            self.hub.report(error, self.machine.scope)
        self.end()
