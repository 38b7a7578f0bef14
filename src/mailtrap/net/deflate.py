"""The deflate layer of ``COMPRESS=DEFLATE`` (RFC 4978): raw deflate both ways, flushed after each piece.

What a client's compressed octets unfold to is given out in pieces of bounded size, so a small input that unfolds to a
huge one holds no memory.
"""

from typing import Final

from .. import limits

_RAW: Final = -15  # RFC 4978, 3: no zlib header, the largest window


class DeflateLayer:
    """Compresses what goes out and unfolds what comes in.

    Attributes:
        failed: why the client's octets cannot be understood; ``""`` while they can.
        pending: whether ``inbound(b"")`` would give more.
    """

    def __init__(self) -> None:
        import zlib

        self._zlib = zlib
        self._in = zlib.decompressobj(_RAW)
        self._out = zlib.compressobj(wbits=_RAW)
        self._tail = b""
        self._over = False
        self.failed = ""
        self.pending = False

    def keep(self, data: bytes) -> None:
        """Take compressed octets without unfolding them yet."""
        self._tail += data
        self.pending = self.pending or bool(data)

    def inbound(self, data: bytes) -> bytes:
        """The next piece of what the client said, at most ``limits.RECEIVE_BUFFER`` octets."""
        if self._over and not self.failed:
            # only now: the layer may have been meant to go, and what is behind the end is plain then (RFC 8437, 4.1)
            self.failed, self.pending = "the compressed stream ended", False
        if self.failed:
            return b""
        size = limits.RECEIVE_BUFFER
        try:
            plain = self._in.decompress(self._tail + data if self._tail else data, size)
        except self._zlib.error as error:
            self.failed, self.pending, self._tail = str(error), False, b""
            return b""
        self._tail = self._in.unconsumed_tail
        if self._in.eof:
            self._over = self.pending = True
            self._tail = self._in.unused_data
            return plain
        # A full piece may have more behind it even where all input is consumed.
        self.pending = not self.failed and (bool(self._tail) or len(plain) == size)
        return plain

    def left(self) -> bytes:
        """What came and was not unfolded: plain octets, where the layer goes."""
        return self._tail

    def outbound(self, data: bytes | memoryview) -> bytes:
        """The compressed octets of a piece of output, complete for the client to unfold."""
        return self._out.compress(data) + self._out.flush(self._zlib.Z_SYNC_FLUSH)
