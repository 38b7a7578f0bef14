"""Every exception that mailtrap raises on purpose.

MailtrapError
├── ConfigError (ValueError)          a setting that does not exist or does not fit
├── QueryError (ValueError)           a search that cannot be understood; says where
├── PortInUse (OSError)               a listener's port is taken; names both
├── ServerError                       an error inside the server, raised in the test that caused it
├── HookTimeout                       a before_ hook took longer than the setting hook_timeout
├── ServerRestarted                   a mark of another life of the store
├── StoreError                        the store could not do it
│   ├── NoSuchAccount
│   ├── NoSuchMailbox
│   ├── MailboxExists
│   ├── NotAllowed                    for instance putting mail into the account ``all``
│   └── OverQuota
├── WaitCancelled                     a wait was ended from another thread
├── BlockingWait (RuntimeError)       a wait that would block an event loop; names async_mailserver
├── MessageNotFound (AssertionError)
├── AmbiguousMessage (AssertionError)
└── UnexpectedMessage (AssertionError)
"""


class MailtrapError(Exception):
    """The root of the tree."""


class ConfigError(MailtrapError, ValueError):
    """A setting that does not exist, or a value that does not fit it."""


class QueryError(MailtrapError, ValueError):
    """A query that cannot be understood.

    Attributes:
        position: of the character where it goes wrong, from 0.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"{message} (at character {position + 1} of the query)")
        self.position = position


class PortInUse(MailtrapError, OSError):
    """A listener could not be bound; the text names the listener and the port."""


class ServerError(MailtrapError):
    """An error of the server, raised in the test that caused it; ``__cause__`` is the original."""


class HookTimeout(MailtrapError):
    """A ``before_*`` hook took longer than the setting ``hook_timeout``."""


class ServerRestarted(MailtrapError):
    """A mark was taken in another life of the store."""


class StoreError(MailtrapError):
    """The store could not do what was asked; nothing is half done."""


class NoSuchAccount(StoreError):
    """No account under that key."""


class NoSuchMailbox(StoreError):
    """No mailbox of that name, or it was deleted meanwhile."""


class MailboxExists(StoreError):
    """There is a mailbox of that name already."""


class NotAllowed(StoreError):
    """The store never does this: put mail into ``all``, delete INBOX."""


class OverQuota(StoreError):
    """The account's quota would be exceeded.

    Attributes:
        account: scope and address, where it is known.
    """

    def __init__(self, message: str, account: tuple[str, str] | None = None) -> None:
        super().__init__(message)
        self.account = account


class WaitCancelled(MailtrapError):
    """A wait was ended from another thread before it found anything."""


class BlockingWait(MailtrapError, RuntimeError):
    """A wait would block the event loop it was called from; use ``async_mailserver``."""


class MessageNotFound(MailtrapError, AssertionError):
    """No message matched in time; the text says what came instead."""


class AmbiguousMessage(MailtrapError, AssertionError):
    """More than one message matched where exactly one was asked for."""


class UnexpectedMessage(MailtrapError, AssertionError):
    """A message came that must not come."""
