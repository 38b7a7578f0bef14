"""Certificates: made by ``trustme`` at first use, or read from files. One certificate authority per server.

Every method may be called from every thread; the first to ask pays for the making.
"""

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import ConfigError
from .tls import set_end_point

if TYPE_CHECKING:
    import ssl

LOCAL = ("localhost", "127.0.0.1", "::1")


class Certificates:
    """What a server's TLS listeners prove themselves with. An instance is a ``ContextProvider``."""

    def __init__(
        self, hostnames: Iterable[str] = (), *, cert_file: str | os.PathLike[str] | None = None,
        key_file: str | os.PathLike[str] | None = None, client_ca: str | os.PathLike[str] | None = None,
        minimum: Literal["1.2", "1.3"] = "1.2", key_type: Literal["ecdsa", "rsa"] = "ecdsa",
    ) -> None:  # fmt: skip
        """A certificate for these names, and for localhost, 127.0.0.1 and ::1; or one's own.

        Args:
            hostnames: host names and IP addresses; without effect where ``cert_file`` is given.
            cert_file: PEM, the certificate first and then its chain.
            key_file: PEM; None where the key is in ``cert_file``.
            client_ca: PEM, authorities (or certificates themselves) that clients may prove themselves with; None:
                no client is asked.
            minimum: version of TLS.
            key_type: of the certificate that is made.

        Raises:
            ConfigError: a key without a certificate, or a file that cannot be read.
        """
        if key_file is not None and cert_file is None:
            raise ConfigError("tls_key needs tls_cert")
        for name, path in (("tls_cert", cert_file), ("tls_key", key_file), ("tls_client_ca", client_ca)):
            if path is not None and not os.access(path, os.R_OK):
                raise ConfigError(f"{name}: {os.fspath(path)} cannot be read")
        self._names = tuple(dict.fromkeys((*LOCAL, *hostnames)))
        self._cert, self._key, self._client_ca = cert_file, key_file, client_ca
        self._minimum, self._key_type = minimum, key_type
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._ca_pem: str | None = None

    def __call__(self) -> "ssl.SSLContext":
        return self.server_context()

    def server_context(self) -> "ssl.SSLContext":
        """The context of the server's side, the same each time. ``tls.end_point`` knows its certificate.

        Raises:
            ConfigError: the files do not hold a certificate and its key, or authorities for clients.
        """
        return self._made()[0]

    @property
    def ca_pem(self) -> str:
        """What a client must trust, as PEM: the authority's certificate, or the file's.

        Raises:
            ConfigError: as ``server_context``.
        """
        return self._made()[1]

    def client_context(self) -> "ssl.SSLContext":
        """A new context for a client that trusts this server, and nobody else.

        Raises:
            ConfigError: as ``server_context``.
        """
        import ssl

        context = ssl.create_default_context(cadata=self.ca_pem)
        if self._cert is not None:
            # A file's first certificate may be one that no authority in it signed, or lack what strict rules ask.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context

    def _made(self) -> "tuple[ssl.SSLContext, str]":
        with self._lock:
            if self._context is None or self._ca_pem is None:
                self._context, self._ca_pem = self._issue() if self._cert is None else self._load(self._cert)
            return self._context, self._ca_pem

    def _issue(self) -> "tuple[ssl.SSLContext, str]":
        import ssl

        import trustme

        kind = trustme.KeyType.RSA if self._key_type == "rsa" else trustme.KeyType.ECDSA
        authority = trustme.CA(organization_name="mailtrap", key_type=kind)
        # The names that count are the alternative ones; but fetchmail 6 takes no certificate without a common name.
        leaf = authority.issue_cert(*self._names, common_name=LOCAL[0], key_type=kind)
        context = self._server_context()
        leaf.configure_cert(context)
        set_end_point(context, ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode("ascii")))
        return context, authority.cert_pem.bytes().decode("ascii")

    def _load(self, cert: str | os.PathLike[str]) -> "tuple[ssl.SSLContext, str]":
        import ssl

        context = self._server_context()
        try:
            context.load_cert_chain(cert, self._key, password=_no_password)
            pem = Path(cert).read_text("ascii", errors="replace")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise ConfigError(f"tls_cert {os.fspath(cert)} and its key do not fit: {error}") from error
        begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----\n"
        # The key may be in the same file; what is given away is certificates alone.
        blocks = [begin + block.partition(end)[0] + end for block in pem.replace("\r\n", "\n").split(begin)[1:]]
        if blocks:  # a TRUSTED CERTIFICATE is none of them
            set_end_point(context, ssl.PEM_cert_to_DER_cert(blocks[0]))
        return context, "".join(blocks)

    def _server_context(self) -> "ssl.SSLContext":
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3 if self._minimum == "1.3" else ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_IGNORE_UNEXPECTED_EOF
        if self._client_ca is not None:
            try:
                context.load_verify_locations(self._client_ca)
            except (OSError, ValueError) as error:
                raise ConfigError(f"tls_client_ca {os.fspath(self._client_ca)} has no certificates: {error}") from error
            context.verify_mode = ssl.CERT_OPTIONAL
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a client's own certificate may be in the file
        return context


def _no_password() -> str:
    # Without this OpenSSL would ask on the terminal.
    raise ValueError("the key is encrypted")
