"""One connection's layers, from the socket up: shaping, TLS, deflate. Octets in, octets out; no sockets, no clock.

Whoever moves octets gives them with ``from_wire`` or ``from_session`` and then takes what has come of it with
``to_session`` and ``to_wire``, the latter each time: reading may make TLS speak.
"""

from typing import TYPE_CHECKING

from .. import limits
from ..wire.steps import Shape
from . import proxy
from .deflate import DeflateLayer
from .shaping import Shaper
from .tls import TLSLayer

if TYPE_CHECKING:
    import ssl


class Pipe:
    """The layers of one connection.

    Attributes:
        held: while True input is kept as it came: a layer is about to go in.
        tls: the TLS layer, or None.
    """

    def __init__(self) -> None:
        self.held = False
        self.tls: TLSLayer | None = None
        self._shaper: Shaper | None = None
        self._deflate: DeflateLayer | None = None
        self._in = bytearray()
        self._out = bytearray()
        self._plain = bytearray()  # what had come for the deflate layer, and was not for it
        self._wire_ended = False
        self._closed = False

    # ------------------------------------------------------------ layers go in

    def shape(self, shape: Shape) -> None:
        """Shape what passes from here on; what is on its way in is ahead of it."""
        if self._shaper is None:
            self._shaper = Shaper()
        self._shaper.add(shape)

    def start_tls(self, context: "ssl.SSLContext") -> None:
        """Put the TLS layer in; input held until now is the beginning of its handshake."""
        self.tls = TLSLayer(context)
        self.held = False

    def start_deflate(self, data: bytes) -> None:
        """Put the deflate layer in. data: input that was taken for plain."""
        self._deflate = DeflateLayer()
        self._deflate.keep(data)

    def end_deflate(self) -> None:
        """Take the deflate layer out; input that it has not unfolded is plain."""
        if self._deflate is not None:
            self._plain += self._deflate.left()
            self._deflate = None

    def take_header(self) -> proxy.Header | None:
        """The PROXY header that held input begins with, and take it away; None while it is incomplete.

        Raises:
            BadHeader: see there.
        """
        header = proxy.parse(bytes(self._in[: limits.PROXY_HEADER]))
        if header is not None:
            del self._in[: header.size]
        return header

    @property
    def deflated(self) -> bool:
        """Whether the deflate layer is in."""
        return self._deflate is not None

    def drop_input(self) -> None:
        """Forget input that the session has not got."""
        self._in.clear()
        if self._shaper is not None:
            self._shaper.inward.clear()

    # ------------------------------------------------------------ octets pass

    def from_wire(self, data: bytes | memoryview) -> None:
        """Octets came from the client."""
        if self._shaper is not None:
            self._shaper.inward.put(data)
        else:
            self._in += data

    def wire_ended(self) -> None:
        """No more will come from the client."""
        self._wire_ended = True

    def to_session(self, now: float) -> bytes:
        """What the session receives by now. There may be more at once: ``pending``."""
        if self.held:
            return b""
        data = bytes(self._in)
        self._in.clear()
        if self._shaper is not None:
            data += self._shaper.inbound(now)
        if self.tls is not None:
            if data:
                data = self.tls.inbound(data)
                self._say(self.tls.output())
            if self._wire_ended and not self.tls.ended and not self._inward:
                self.tls.end_of_input()
        if self._deflate is not None and (data or self._deflate.pending):
            data = self._deflate.inbound(data)
        if self._plain:
            data = bytes(self._plain) + data
            self._plain.clear()
        return data

    def from_session(self, data: bytes | memoryview) -> None:
        """The session says this."""
        if self._deflate is not None:
            data = self._deflate.outbound(data)
        if self.tls is not None:
            data = self.tls.outbound(data)
        self._say(data)

    def to_wire(self, now: float) -> bytes:
        """What leaves by now."""
        if self._shaper is not None:
            return self._shaper.outbound(now)
        data = bytes(self._out)
        self._out.clear()
        return data

    def close(self) -> None:
        """The session has said all."""
        if self.tls is not None and not self._closed:
            self._closed = True
            self._say(self.tls.close())

    # ------------------------------------------------------------ how it stands

    @property
    def pending(self) -> bool:
        """Whether ``to_session`` has more to give at once."""
        deflate = self._deflate
        return not self.held and (bool(self._in or self._plain) or (deflate is not None and deflate.pending))

    @property
    def ended(self) -> bool:
        """Whether the session has got all that the client will ever say."""
        over = self._wire_ended or (self.tls is not None and self.tls.ended)
        return over and not self._inward and not self.pending

    @property
    def failed(self) -> str:
        """Why a layer cannot go on; ``""`` while all can."""
        if self.tls is not None and self.tls.failed:
            return self.tls.failed
        if self._deflate is not None and self._deflate.failed:
            return f"deflate failed: {self._deflate.failed}"
        return ""

    @property
    def cut(self) -> bool:
        """Whether a shape ends the connection now."""
        return self._shaper is not None and self._shaper.cut

    @property
    def reset(self) -> bool:
        """Whether it ends with a TCP reset."""
        return self._shaper is not None and self._shaper.reset

    @property
    def due(self) -> float | None:
        """When slowed octets will pass; None when none wait."""
        return None if self._shaper is None or self.held else self._shaper.due

    @property
    def first(self) -> int | None:
        """The first octet that waits to be read, as it came."""
        return self._in[0] if self._in else None

    @property
    def unread(self) -> int:
        """Octets from the client that wait in the pipe."""
        return len(self._in) + self._inward

    @property
    def unsent(self) -> int:
        """Octets to the client that wait in the pipe."""
        return len(self._out) + (len(self._shaper.outward) if self._shaper is not None else 0)

    @property
    def _inward(self) -> int:
        return len(self._shaper.inward) if self._shaper is not None else 0

    def _say(self, data: bytes | memoryview) -> None:
        if self._shaper is not None:
            self._shaper.outward.put(data)
        else:
            self._out += data
