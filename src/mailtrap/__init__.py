"""A mail server for tests. The public names, loaded when they are used.

PYTEST_DONT_REWRITE: no module here is a test, and pytest need not load it as one.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

# Another distribution installs the import name ``mailtrap`` too (the mailtrap.io API client): whoever needs to know
# which one is here asks for this attribute.
__distribution__: Final = "pytest-mailtrap"
__version__: Final = "0.1.0"

if TYPE_CHECKING:
    from .checks import Finding as Finding
    from .checks.client_table import CLIENTS as CLIENTS
    from .checks.clients import unsupported as unsupported
    from .delivery.refusal import Refusal as Refusal
    from .endpoint import Endpoint as Endpoint
    from .errors import (
        AmbiguousMessage as AmbiguousMessage,
    )
    from .errors import (
        BlockingWait as BlockingWait,
    )
    from .errors import (
        ConfigError as ConfigError,
    )
    from .errors import (
        MailtrapError as MailtrapError,
    )
    from .errors import (
        MessageNotFound as MessageNotFound,
    )
    from .errors import (
        PortInUse as PortInUse,
    )
    from .errors import (
        QueryError as QueryError,
    )
    from .errors import (
        ServerError as ServerError,
    )
    from .errors import (
        ServerRestarted as ServerRestarted,
    )
    from .errors import (
        StoreError as StoreError,
    )
    from .errors import (
        UnexpectedMessage as UnexpectedMessage,
    )
    from .errors import (
        WaitCancelled as WaitCancelled,
    )
    from .faults import Rule as Rule
    from .hookspecs import Change as Change
    from .hookspecs import Refuse as Refuse
    from .hookspecs import fast as fast
    from .hookspecs import hookimpl as hookimpl
    from .mailboxes import Account as Account
    from .mailboxes import Mailbox as Mailbox
    from .message.address import Address as Address
    from .message.compose import MailLike as MailLike
    from .message.envelope import Envelope as Envelope
    from .message.model import (
        Attachment as Attachment,
    )
    from .message.model import (
        Copy as Copy,
    )
    from .message.model import (
        Link as Link,
    )
    from .message.model import (
        Message as Message,
    )
    from .server import MailServer as MailServer
    from .store.rows import Origin as Origin
    from .transcript import TLS as TLS
    from .transcript import Command as Command
    from .transcript import Session as Session
    from .waiting import Cancellation as Cancellation
    from .waiting import Expected as Expected
    from .waiting import Mark as Mark

_HOMES: Final = {
    "Account": "mailboxes", "Address": "message.address", "AmbiguousMessage": "errors",
    "Attachment": "message.model", "BlockingWait": "errors", "CLIENTS": "checks.client_table",
    "Cancellation": "waiting", "Change": "hookspecs",
    "Command": "transcript", "ConfigError": "errors", "Copy": "message.model", "Endpoint": "endpoint",
    "Envelope": "message.envelope", "Expected": "waiting", "Finding": "checks", "Link": "message.model",
    "MailLike": "message.compose", "MailServer": "server", "Mailbox": "mailboxes", "MailtrapError": "errors",
    "Mark": "waiting", "Message": "message.model", "MessageNotFound": "errors", "Origin": "store.rows",
    "PortInUse": "errors", "QueryError": "errors", "Refusal": "delivery.refusal", "Refuse": "hookspecs",
    "Rule": "faults", "ServerError": "errors", "ServerRestarted": "errors", "Session": "transcript",
    "StoreError": "errors", "TLS": "transcript", "UnexpectedMessage": "errors", "WaitCancelled": "errors",
    "fast": "hookspecs", "hookimpl": "hookspecs", "unsupported": "checks.clients",
}  # fmt: skip
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if (home := _HOMES.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
