"""The listeners of a server, as one scope sees them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .endpoint import LISTENERS, Endpoint
from .errors import MailtrapError

if TYPE_CHECKING:
    from .parts import Parts
    from .scopes import Scope


class Endpoints:
    """What ``MailServer`` says about where it listens."""

    _parts: "Parts"
    _scope: "Scope"

    @property
    def smtp(self) -> Endpoint:
        """The SMTP listener."""
        return self._endpoint("smtp")

    @property
    def smtps(self) -> Endpoint:
        """SMTP with TLS from the first octet."""
        return self._endpoint("smtps")

    @property
    def submission(self) -> Endpoint:
        """Message submission (RFC 6409)."""
        return self._endpoint("submission")

    @property
    def lmtp(self) -> Endpoint:
        """LMTP (RFC 2033)."""
        return self._endpoint("lmtp")

    @property
    def pop3(self) -> Endpoint:
        """The POP3 listener."""
        return self._endpoint("pop3")

    @property
    def pop3s(self) -> Endpoint:
        """POP3 with TLS from the first octet."""
        return self._endpoint("pop3s")

    @property
    def imap(self) -> Endpoint:
        """The IMAP listener."""
        return self._endpoint("imap")

    @property
    def imaps(self) -> Endpoint:
        """IMAP with TLS from the first octet."""
        return self._endpoint("imaps")

    @property
    def http(self) -> Endpoint:
        """The HTTP API and the viewer."""
        return self._endpoint("http")

    @property
    def endpoints(self) -> Mapping[str, Endpoint]:
        """All listeners that are on, by name."""
        there = {*self._parts.addresses, *self._parts.sockets}
        return {name: self._endpoint(name) for name in LISTENERS if name in there}

    def _endpoint(self, name: str) -> Endpoint:
        address, unix = self._parts.addresses.get(name), self._parts.sockets.get(name)
        if address is None and unix is None:
            if self._parts.running:
                raise MailtrapError(f"the listener {name} is off")
            raise MailtrapError("the server does not run: start it, or use it in a with statement")
        host, port = address or ("", 0)
        return Endpoint(name, host, port, self._scope, self._parts.rules, None if unix is None else unix.path)
