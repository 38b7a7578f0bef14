"""``async_mailserver`` under event loops of each kind, without any async plugin."""

import asyncio
import smtplib
import sys
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest

from mailtrap import MailServer, MessageNotFound, UnexpectedMessage
from pytest_mailtrap import AsyncMailServer


@pytest.fixture
def server() -> Iterator[AsyncMailServer]:
    with MailServer(timeout=10, http_port=None) as server:
        yield AsyncMailServer(server)


def mail(subject: str = "Hello") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "app@example.com", "bob@example.com", subject
    message.set_content("Hi Bob")
    return message


def send(server: AsyncMailServer, subject: str = "Hello") -> None:
    with smtplib.SMTP(server.smtp.host, server.smtp.port, timeout=10) as smtp:
        smtp.send_message(mail(subject))


def waiters() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "mailtrap-wait"]


def test_the_loop_goes_on_while_it_waits(server: AsyncMailServer) -> None:
    async def main() -> None:
        waiting = asyncio.create_task(server.message(subject="Hello"))
        while not waiters():
            await asyncio.sleep(0)
        await asyncio.to_thread(send, server)
        assert (await waiting).to == ["bob@example.com"]

    asyncio.run(main())
    assert waiters() == []


def test_each_method(server: AsyncMailServer) -> None:
    async def main() -> None:
        mark = await server.mark()
        await server.assert_no_message()
        async with server.expect_message(subject="one") as info:
            await asyncio.to_thread(send, server, "one")
        assert info.value.subject == "one"
        await asyncio.to_thread(send, server, "two")
        assert (await server.latest()).subject == "two"
        assert [message.subject for message in await server.list()] == ["one", "two"]
        assert [message.subject for message in await server.list(subject="two")] == ["two"]
        assert len(await server.wait_for(exactly=2, since=mark)) == 2
        await server.wait_until_quiet(0.01)
        await server.add_account("carol@example.com", "pw")
        await server.deliver(mail("placed"), recipients="carol@example.com")
        await server.seed({"carol@example.com": {"mailboxes": {"INBOX": [{"subject": "seeded"}]}}})
        inbox = await server.mailbox("carol@example.com")
        assert [copy.subject for copy in inbox.messages] == ["placed", "seeded"]
        assert (await server.account("carol@example.com")).address == "carol@example.com"
        assert server.address("bob") == "bob@mailtrap.test"
        assert server.refused == server.errors == []
        assert len(server.sessions) == 2
        await server.clear()
        assert await server.list() == []
        await server.reset()
        assert server.server.accounts == []

    asyncio.run(main())


def test_endpoints(server: AsyncMailServer) -> None:
    for name in ("smtp", "smtps", "submission", "lmtp", "pop3", "pop3s", "imap", "imaps"):
        assert getattr(server, name) == getattr(server.server, name)
    assert server.config_for("env") == server.server.config_for("env")
    assert "MailServer" in repr(server)


def test_trust(server: AsyncMailServer) -> None:
    assert server.ca_pem == server.server.ca_pem
    assert server.ssl_context().check_hostname


def test_failures_come_out(server: AsyncMailServer) -> None:
    async def main() -> None:
        with pytest.raises(MessageNotFound, match=r"within 0\.01 s"):
            await server.message(timeout=0.01)
        await asyncio.to_thread(send, server)
        with pytest.raises(UnexpectedMessage):
            await server.assert_no_message()
        with pytest.raises(TypeError, match="no criterion"):
            await server.list(sujet="x")
        with pytest.raises(ZeroDivisionError):
            async with server.expect_message():
                raise ZeroDivisionError

    asyncio.run(main())
    assert waiters() == []


def test_a_cancelled_wait_ends_at_once(server: AsyncMailServer) -> None:
    async def main() -> None:
        for wait in (
            server.message(timeout=60),
            server.wait_until_quiet(60, timeout=100),
            server.assert_no_message(within=60),
            server.wait_for_command("IDLE", timeout=60),
        ):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(wait, 0.02)
            assert waiters() == []

    asyncio.run(main())


def test_waits_take_no_thread_of_the_loops_pool(server: AsyncMailServer) -> None:
    async def main() -> None:
        from concurrent.futures import ThreadPoolExecutor

        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        waits = [asyncio.create_task(server.message(subject=f"mail {number}")) for number in range(20)]
        await asyncio.sleep(0)
        for number in range(20):
            await asyncio.to_thread(send, server, f"mail {number}")
        assert [message.subject for message in await asyncio.gather(*waits)] == [f"mail {n}" for n in range(20)]

    asyncio.run(main())


def test_without_an_event_loop(server: AsyncMailServer) -> None:
    coroutine = server.list()
    with pytest.raises(RuntimeError, match="awaited under asyncio or trio"):
        coroutine.send(None)


def test_trio(server: AsyncMailServer) -> None:
    trio: Any = pytest.importorskip("trio")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, send, server)
            assert (await server.message()).subject == "Hello"
        with trio.move_on_after(0.02) as scope:
            await server.message(subject="never", timeout=60)
        assert scope.cancelled_caught
        assert waiters() == []
        with pytest.raises(MessageNotFound):
            await server.message(subject="never", timeout=0)

    trio.run(main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio(server: AsyncMailServer, backend: str) -> None:
    anyio: Any = pytest.importorskip("anyio")
    pytest.importorskip(backend)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, send, server)
            assert (await server.message()).subject == "Hello"

    anyio.run(main, backend=backend)


def test_asyncio_with_trio_imported(server: AsyncMailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """trio is there, but it is not what runs."""

    class Lowlevel:
        @staticmethod
        def current_trio_token() -> object:
            raise RuntimeError("must be called from async context")

    module = type(sys)("trio")
    module.lowlevel = Lowlevel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "trio", module)
    assert asyncio.run(server.list()) == []


def test_the_fixture(run: Any) -> None:
    run(
        """
        import asyncio
        from helpers import send

        def test_it(async_mailserver):
            async def main():
                await asyncio.to_thread(send, async_mailserver)
                message = await async_mailserver.message(to="bob@example.com")
                assert message.subject == "Hello"
            asyncio.run(main())

        def test_own_scope(async_mailserver, mailserver):
            assert mailserver.messages == []
            assert async_mailserver.server is mailserver
        """
    ).assert_outcomes(passed=2)
