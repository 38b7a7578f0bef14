"""Where a listener is, and its rules."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from .errors import ConfigError
from .faults import Rule, RuleBook, Stage
from .scopes import Scope

LISTENERS: Final = ("smtp", "smtps", "submission", "lmtp", "pop3", "pop3s", "imap", "imaps", "http")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A listener as one scope sees it.

    Attributes:
        name: ``smtp smtps submission lmtp pop3 pop3s imap imaps http``.
        host: the address it is bound to; ``""`` where it has a Unix socket alone.
        port: its TCP port; 0 where it has a Unix socket alone.
        socket: the path of its Unix socket, or None.
        tls: ``none``, ``starttls`` (offered or required on a plain listener), ``implicit``.
    """

    name: str
    host: str
    port: int
    scope: Scope
    rules: RuleBook
    socket: str | None = None

    @property
    def tls(self) -> Literal["none", "starttls", "implicit"]:
        """Whether and how it speaks TLS now."""
        if self.name in ("smtps", "pop3s", "imaps"):
            return "implicit"
        if self.name == "http" or self.scope.live.starttls == "off":
            return "none"
        return "starttls"

    @property
    def url(self) -> str:
        """``imap://127.0.0.1:1143``; a submission listener is an ``smtp://``.

        Without a port it is ``lmtp+unix:///run/lmtp.sock``.
        """
        if not self.host and self.socket is not None:
            return f"{self.name}+unix://{self.socket}"
        scheme = "smtp" if self.name == "submission" else self.name
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"

    def on(
        self, command: str, *, stage: Stage = "before", nth: int | None = None, after: int = 0,
        times: int | None = None, **match: Any,
    ) -> Rule:  # fmt: skip
        """A rule for a command on this listener; it acts once it was given an action.

        Args:
            command: its verb, ``"RCPT"``; ``"CONNECT"`` is the greeting, ``"*"`` is any.
            stage: ``before`` (nothing is done yet), ``reply`` (done, the reply not sent), ``after`` (the reply sent).
            nth: act on the nth matching command only, counted from 1.
            after: let so many matching commands pass first.
            times: act so often, then let all pass.
            match: ``recipient= sender= user= mailbox= peer=``, compared as criteria are.

        Raises:
            ConfigError: an unknown command, stage or name to match, or the HTTP listener.
        """
        if self.name == "http":
            raise ConfigError("there are no rules for HTTP")
        return self.rules.add(
            self.scope, self.name, command, stage=stage, nth=nth, after=after, times=times, match=match
        )

    def __repr__(self) -> str:
        return f"<Endpoint {self.name} {self.url}>"
