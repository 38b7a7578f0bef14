"""``MailServer`` for coroutines.

A wait runs in a thread of its own, so it holds up no event loop and takes no thread of the loop's pool, which the
program under test may need to send what is waited for. asyncio and trio are told apart by what has been imported; no
async plugin of pytest is needed. A wait that is cancelled ends at once, and its thread with it.
"""

import contextvars
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mailtrap import (
    Account,
    Address,
    Cancellation,
    Endpoint,
    Expected,
    Mailbox,
    MailServer,
    Mark,
    Message,
    Refusal,
    Session,
    WaitCancelled,
)

if TYPE_CHECKING:
    import ssl

    from mailtrap import MailLike

_T = TypeVar("_T")


class AsyncMailServer:
    """The names of ``MailServer``. What needs no wait and no I/O is an attribute; the rest is a coroutine method.

    With a server elsewhere (``--mailtrap-url``) an attribute that lists something is a short request, for which the
    event loop stands still: ``list()`` and ``mailbox()`` are awaited.
    """

    def __init__(self, server: MailServer) -> None:
        self.server = server

    # ------------------------------------------------------------ where it is

    @property
    def smtp(self) -> Endpoint:
        """The SMTP listener."""
        return self.server.smtp

    @property
    def smtps(self) -> Endpoint:
        """SMTP with TLS from the first octet."""
        return self.server.smtps

    @property
    def submission(self) -> Endpoint:
        """Message submission (RFC 6409)."""
        return self.server.submission

    @property
    def lmtp(self) -> Endpoint:
        """LMTP (RFC 2033)."""
        return self.server.lmtp

    @property
    def pop3(self) -> Endpoint:
        """The POP3 listener."""
        return self.server.pop3

    @property
    def pop3s(self) -> Endpoint:
        """POP3 with TLS from the first octet."""
        return self.server.pop3s

    @property
    def imap(self) -> Endpoint:
        """The IMAP listener."""
        return self.server.imap

    @property
    def imaps(self) -> Endpoint:
        """IMAP with TLS from the first octet."""
        return self.server.imaps

    @property
    def http(self) -> Endpoint:
        """The HTTP API and the viewer."""
        return self.server.http

    @property
    def ca_pem(self) -> str:
        """The certificate, PEM, that a client must trust to trust this server."""
        return self.server.ca_pem

    def ssl_context(self) -> "ssl.SSLContext":
        """A client's TLS context that trusts this server."""
        return self.server.ssl_context()

    def config_for(self, framework: str) -> dict[str, Any]:
        """What a framework needs to send here; as ``MailServer.config_for``."""
        return self.server.config_for(framework)

    # ------------------------------------------------------------ look

    @property
    def name(self) -> str:
        """The scope's name; ``""`` for a server's first."""
        return self.server.name

    @property
    def domain(self) -> str:
        """The mail domain of this scope's addresses."""
        return self.server.domain

    @property
    def messages(self) -> Sequence[Message]:
        """What was submitted in this scope so far, oldest first."""
        return self.server.messages

    @property
    def accounts(self) -> Sequence[Account]:
        """The scope's own accounts."""
        return self.server.accounts

    @property
    def sessions(self) -> Sequence[Session]:
        """The newest connections of this scope, oldest first."""
        return self.server.sessions

    @property
    def refused(self) -> Sequence[Refusal]:
        """What was turned away, oldest first."""
        return self.server.refused

    @property
    def errors(self) -> Sequence[BaseException]:
        """Exceptions inside the server; ``clear()`` accepts them."""
        return self.server.errors

    def address(self, local: str = "user") -> Address:
        """A unique address of this scope; as ``MailServer.address``."""
        return self.server.address(local)

    async def list(self, **criteria: Any) -> Sequence[Message]:
        """The messages that match now, oldest first; without criteria all that were submitted."""
        return await _run(lambda: self.server.select(**criteria))

    async def mark(self) -> Mark:
        """This moment in the order of commits, for ``since=``."""
        return await _run(self.server.mark)

    async def account(self, address: str) -> Account:
        """The account of an address; as ``MailServer.account``."""
        return await _run(lambda: self.server.account(address))

    async def mailbox(self, account: str, name: str = "INBOX") -> Mailbox:
        """A mailbox of an account; as ``MailServer.mailbox``."""
        return await _run(lambda: self.server.mailbox(account, name))

    # ------------------------------------------------------------ wait

    async def message(self, *, timeout: float | None = None, **criteria: Any) -> Message:
        """Wait for the one message that matches; as ``MailServer.message``."""
        __tracebackhide__ = True
        return await _run(lambda: self.server.message(timeout=timeout, **criteria))

    async def latest(self, *, timeout: float | None = None, **criteria: Any) -> Message:
        """The newest message that matches; as ``MailServer.latest``."""
        __tracebackhide__ = True
        return await _run(lambda: self.server.latest(timeout=timeout, **criteria))

    async def wait_for(
        self, *, at_least: int | None = None, exactly: int | None = None, settle: float = 0.0,
        timeout: float | None = None, **criteria: Any,
    ) -> Sequence[Message]:  # fmt: skip
        """Wait until so many messages match; as ``MailServer.wait_for``."""
        __tracebackhide__ = True
        return await _run(
            lambda: self.server.wait_for(at_least=at_least, exactly=exactly, settle=settle, timeout=timeout, **criteria)
        )

    @asynccontextmanager
    async def expect_message(self, *, timeout: float | None = None, **criteria: Any) -> AsyncIterator[Expected]:
        """Wait, after the block, for the one message that it made come; as ``MailServer.expect_message``."""
        __tracebackhide__ = True
        manager = self.server.expect_message(timeout=timeout, **criteria)
        expected = manager.__enter__()
        try:
            yield expected
        except BaseException as error:
            manager.__exit__(type(error), error, error.__traceback__)
            raise
        await _run(lambda: manager.__exit__(None, None, None))

    async def assert_no_message(self, *, within: float | None = None, **criteria: Any) -> None:
        """Fail if a message matches; as ``MailServer.assert_no_message``."""
        __tracebackhide__ = True
        await _run(lambda: self.server.assert_no_message(within=within, **criteria))

    async def wait_until_quiet(self, for_: float = 0.1, *, timeout: float | None = None) -> None:
        """Wait until no message came for ``for_`` seconds; as ``MailServer.wait_until_quiet``."""
        __tracebackhide__ = True
        await _run(lambda: self.server.wait_until_quiet(for_, timeout=timeout))

    async def wait_for_command(
        self, command: str, *, protocol: str = "imap", user: str | None = None,
        timeout: float | None = None,
    ) -> Session:  # fmt: skip
        """The session that carries out a command now, or the next that does; as ``MailServer.wait_for_command``."""
        __tracebackhide__ = True
        return await _run(lambda: self.server.wait_for_command(command, protocol=protocol, user=user, timeout=timeout))

    # ------------------------------------------------------------ put in, change

    async def add_account(
        self, address: str, password: str | None = None, *, quota: int | None = None, message_quota: int | None = None
    ) -> Account:
        """Declare an account; as ``MailServer.add_account``."""
        return await _run(lambda: self.server.add_account(address, password, quota=quota, message_quota=message_quota))

    async def deliver(
        self, mail: "MailLike", *, recipients: str | Sequence[str], mail_from: str = "", mailbox: str = "INBOX",
        flags: Iterable[str] = (), internal_date: datetime | None = None,
    ) -> Message:  # fmt: skip
        """Put a mail into a mailbox of each recipient, without SMTP; as ``MailServer.deliver``."""
        return await _run(
            lambda: self.server.deliver(
                mail,
                recipients=recipients,
                mail_from=mail_from,
                mailbox=mailbox,
                flags=flags,
                internal_date=internal_date,
            )
        )

    async def seed(self, source: Path | str | Mapping[str, Any]) -> None:
        """Fill mailboxes; as ``MailServer.seed``."""
        await _run(lambda: self.server.seed(source))

    async def issue_token(self, user: str, *, expires_in: float = 3600) -> str:
        """An OAuth token for XOAUTH2 and OAUTHBEARER; as ``MailServer.issue_token``."""
        return await _run(lambda: self.server.issue_token(user, expires_in=expires_in))

    def aiosmtpd_handler(self) -> object:
        """A handler that keeps mail here, for an aiosmtpd ``Controller`` of your own."""
        return self.server.aiosmtpd_handler()

    @asynccontextmanager
    async def scope(self, name: str | None = None, **live_settings: Any) -> "AsyncIterator[AsyncMailServer]":
        """A scope below this one; as ``MailServer.scope``."""
        scope = await _run(lambda: self.server.scope(name, **live_settings).start())
        try:
            yield AsyncMailServer(scope)
        finally:
            await _run(scope.stop)

    async def configure(self, **live_settings: Any) -> None:
        """Change live settings of this scope, from now on; as ``MailServer.configure``."""
        await _run(lambda: self.server.configure(**live_settings))

    async def clear(self) -> None:
        """Forget the messages and copies of this scope, its refusals and its errors."""
        await _run(self.server.clear)

    async def reset(self) -> None:
        """``clear()``, and its accounts, rules and own live settings too."""
        await _run(self.server.reset)

    def __repr__(self) -> str:
        return f"<AsyncMailServer {self.server!r}>"


async def _run(function: Callable[[], _T]) -> _T:
    """What a function gives, from a thread of its own. Cancelling ends its wait."""
    __tracebackhide__ = True
    cancellation = Cancellation()
    outcome: list[_T] = []
    failure: list[BaseException] = []
    wake, waiting = _waker()

    def work() -> None:
        try:
            with cancellation:
                outcome.append(function())
        except WaitCancelled:
            return  # nobody waits any more
        except BaseException as error:  # noqa: BLE001  it is raised where the coroutine is
            failure.append(error)
        wake()

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name="mailtrap-wait", daemon=True)
    thread.start()
    try:
        await waiting
    except BaseException:
        cancellation.cancel()
        thread.join(1.0)  # it ends as soon as it is woken
        raise
    thread.join()
    if failure:
        try:
            raise failure[0]
        finally:
            failure.clear()  # no reference cycle by way of the traceback
    return outcome[0]


def _waker() -> tuple[Callable[[], None], Awaitable[object]]:
    """A function that wakes, from any thread, whoever awaits the second; for the event loop that runs here."""
    trio: Any = sys.modules.get("trio")
    if trio is not None:
        try:
            token = trio.lowlevel.current_trio_token()
        except RuntimeError:
            pass  # trio is imported, but it is not what runs here
        else:
            event = trio.Event()

            def wake_trio() -> None:
                try:
                    token.run_sync_soon(event.set)
                except trio.RunFinishedError:
                    return

            return wake_trio, event.wait()
    import asyncio

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError("async_mailserver is awaited under asyncio or trio; neither runs here") from None
    future = loop.create_future()

    def finish() -> None:
        if not future.done():
            future.set_result(None)

    def wake_asyncio() -> None:
        try:
            loop.call_soon_threadsafe(finish)
        except RuntimeError:
            return  # the loop was closed: nobody waits any more

    return wake_asyncio, future
