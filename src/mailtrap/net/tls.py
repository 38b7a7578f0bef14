"""The TLS layer: ``ssl.SSLObject`` over two memory buffers.

No exception leaves it: what goes wrong is in ``failed``, and the alert for the client is in ``output()``.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..transcript import TLS

if TYPE_CHECKING:
    import ssl

_NAME = "_mailtrap_server_name"
_END_POINT = "_mailtrap_end_point"
HANDSHAKE_RECORD = 0x16  # RFC 8446, 5.1: what a connection with TLS begins with


class TLSLayer:
    """The server's side of TLS on one connection.

    Attributes:
        established: what was agreed on; None before the handshake is done.
        failed: why it cannot go on; ``""`` while it can.
        ended: whether the client said that it will send no more.
    """

    def __init__(self, context: "ssl.SSLContext") -> None:
        import ssl

        note_server_names(context)
        self._ssl = ssl
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._unsent = b""  # plain text that OpenSSL could not take yet
        self.established: TLS | None = None
        self.failed = ""
        self.ended = False

    def inbound(self, data: bytes) -> bytes:
        """The plain text in these octets; empty during the handshake."""
        if self.failed:
            return b""
        self._incoming.write(data)
        try:
            if self.established is None:
                self._object.do_handshake()
                self._agree()
            return self._read()
        except self._ssl.SSLWantReadError:
            return b""
        except (self._ssl.SSLError, OSError, ValueError) as error:
            self._fail(error)
            return b""

    def outbound(self, data: bytes | memoryview) -> bytes:
        """The octets that carry this plain text, and whatever else TLS has to say."""
        if not self.failed:
            self._write(data)
        return self.output()

    def output(self) -> bytes:
        """What TLS itself has to say: handshake, alerts, new keys."""
        return self._outgoing.read()

    def end_of_input(self) -> None:
        """The connection carries no more input. Clients that do so without a word (ragged end) are not punished."""
        self._incoming.write_eof()
        self.ended = True

    def close(self) -> bytes:
        """Say goodbye (close_notify); the answer to it is not waited for."""
        if self.established is not None and not self.failed:
            # It wants to read the client's goodbye, or the client said it already: both are well.
            with suppress(self._ssl.SSLError, OSError, ValueError):
                self._object.unwrap()
        return self.output()

    def _read(self) -> bytes:
        pieces = []
        try:
            while piece := self._object.read(1 << 18):
                pieces.append(piece)
            self.ended = True
        except self._ssl.SSLWantReadError:
            pass
        except (self._ssl.SSLZeroReturnError, self._ssl.SSLEOFError):
            self.ended = True
        except (self._ssl.SSLError, OSError, ValueError) as error:
            self._fail(error)
        if self._unsent and not self.failed:
            unsent, self._unsent = self._unsent, b""
            self._write(unsent)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _write(self, data: bytes | memoryview) -> None:
        if self._unsent:
            self._unsent += data
            return
        view = memoryview(data)
        try:
            while view:
                view = view[self._object.write(view) :]
        except self._ssl.SSLWantReadError:  # in the middle of a handshake
            self._unsent = bytes(view)
        except (self._ssl.SSLError, OSError, ValueError) as error:
            self._fail(error)

    def _agree(self) -> None:
        cipher = self._object.cipher()
        self.established = TLS(
            version=self._object.version() or "",
            cipher=cipher[0] if cipher else "",
            server_name=getattr(self._object, _NAME, None),
            client_certificate=self._object.getpeercert(binary_form=True),
            client_names=_names(self._object.getpeercert()),
            bindings=self._bindings(),
        )

    def _bindings(self) -> dict[str, bytes]:
        """The channel bindings that Python gives; of ``tls-exporter`` (RFC 9266) it knows nothing."""
        found: dict[str, bytes] = {}
        if (end_point := getattr(self._object.context, _END_POINT, None)) is not None:
            found["tls-server-end-point"] = end_point
        # RFC 9266, 3: with TLS 1.3 there is no such thing.
        if self._object.version() == "TLSv1.2" and (unique := self._object.get_channel_binding()) is not None:
            found["tls-unique"] = unique
        return found

    def _fail(self, error: Exception) -> None:
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        self.failed = f"TLS failed: {reason}"


def set_end_point(context: "ssl.SSLContext", certificate: bytes) -> None:
    """Note the channel binding ``tls-server-end-point`` (RFC 5929, 4.1) of a context's own certificate, DER.

    It is the certificate's hash, by the hash of its signature, but SHA-256 for MD5 and SHA-1; a signature without a
    hash has none.
    """
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509 import load_der_x509_certificate

    parsed = load_der_x509_certificate(certificate)
    kind = parsed.signature_hash_algorithm
    if kind is not None:
        weak = isinstance(kind, hashes.MD5 | hashes.SHA1)
        setattr(context, _END_POINT, parsed.fingerprint(hashes.SHA256() if weak else kind))


def _names(certificate: Any) -> tuple[str, ...]:
    """Whom a verified certificate is for: its mail addresses, then its common name."""
    if not certificate:
        return ()
    found = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "email"]
    subject = [pair for part in certificate.get("subject", ()) for pair in part]
    for wanted in ("emailAddress", "commonName"):
        found += [value for kind, value in subject if kind == wanted]
    return tuple(dict.fromkeys(name for name in found if name and name.isprintable()))


def note_server_names(context: "ssl.SSLContext") -> None:
    """Let the context write down, on each of its objects, the name that a client asked for (RFC 6066, 3)."""
    before = context.sni_callback
    if getattr(before, "notes_names", False):
        return

    def note(connection: Any, name: Any, used: "ssl.SSLContext") -> int | None:
        setattr(connection, _NAME, name)
        return before(connection, name, used) if before is not None else None

    note.notes_names = True  # type: ignore[attr-defined]
    context.sni_callback = note
