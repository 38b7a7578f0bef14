"""A mail server for tests. The public names, loaded when they are used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

# Another distribution installs the import name ``mailtrap`` too (the mailtrap.io API client): whoever needs to know
# which one is here asks for this attribute.
__distribution__: Final = "pytest-mailtrap"
__version__: Final = "0.1.0"

if TYPE_CHECKING:
    from .delivery.refusal import Refusal as Refusal
    from .errors import (
        AmbiguousMessage as AmbiguousMessage,
        BlockingWait as BlockingWait,
        ConfigError as ConfigError,
        MailtrapError as MailtrapError,
        MessageNotFound as MessageNotFound,
        PortInUse as PortInUse,
        ServerError as ServerError,
        ServerRestarted as ServerRestarted,
        StoreError as StoreError,
        UnexpectedMessage as UnexpectedMessage,
    )
    from .faults import Rule as Rule
    from .hookspecs import Change as Change, Refuse as Refuse, fast as fast, hookimpl as hookimpl
    from .message.address import Address as Address
    from .message.envelope import Envelope as Envelope
    from .message.model import (
        Attachment as Attachment,
        Copy as Copy,
        Link as Link,
        Message as Message,
    )
    from .checks import Finding as Finding
    from .endpoint import Endpoint as Endpoint
    from .mailboxes import Account as Account, Mailbox as Mailbox
    from .server import MailServer as MailServer
    from .transcript import TLS as TLS, Command as Command, Session as Session
    from .waiting import Expected as Expected, Mark as Mark

_HOMES: Final = {
    "Account": "mailboxes", "Address": "message.address", "AmbiguousMessage": "errors",
    "Attachment": "message.model", "BlockingWait": "errors", "Change": "hookspecs", "Command": "transcript",
    "ConfigError": "errors", "Copy": "message.model", "Endpoint": "endpoint", "Envelope": "message.envelope",
    "Expected": "waiting", "Finding": "checks", "Link": "message.model", "MailServer": "server",
    "Mailbox": "mailboxes", "MailtrapError": "errors", "Mark": "waiting", "Message": "message.model",
    "MessageNotFound": "errors", "PortInUse": "errors", "Refusal": "delivery.refusal", "Refuse": "hookspecs",
    "Rule": "faults", "ServerError": "errors", "ServerRestarted": "errors", "Session": "transcript",
    "StoreError": "errors", "TLS": "transcript", "UnexpectedMessage": "errors", "fast": "hookspecs",
    "hookimpl": "hookspecs",
}  # fmt: skip
__all__ = sorted(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if (home := _HOMES.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
