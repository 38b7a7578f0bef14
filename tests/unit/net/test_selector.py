"""The selector of a loop that calls those who watch a socket itself."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from mailtrap.net.selector import READ, WRITE, Selector


@pytest.fixture
def told() -> list[BaseException]:
    """The exceptions that were reported."""
    return []


@pytest.fixture
def selector(told: list[BaseException]) -> Iterator[Selector]:
    """One without a loop."""
    with Selector(told.append) as selector:
        yield selector


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets."""
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_who_watches_is_told_of_what_he_asked_for(
    selector: Selector, pair: tuple[socket.socket, socket.socket]
) -> None:
    one, other = pair
    heard: list[int] = []
    selector.watch(one.fileno(), READ, heard.append)
    assert selector.select(0) == []
    assert heard == []
    other.send(b"x")
    assert selector.select(1) == []
    assert heard == [READ]
    selector.rewatch(one.fileno(), READ | WRITE, heard.append)
    selector.select(1)
    assert heard == [READ, READ | WRITE]
    selector.unwatch(one.fileno())
    assert selector.select(0) == []
    assert len(heard) == 2


def test_an_exception_is_told_and_the_others_are_served(
    selector: Selector, told: list[BaseException], pair: tuple[socket.socket, socket.socket]
) -> None:
    one, other = pair
    heard: list[int] = []

    def fail(_: int) -> None:
        raise ValueError("from a connection")

    selector.watch(one.fileno(), WRITE, fail)
    selector.watch(other.fileno(), WRITE, heard.append)
    selector.select(1)
    assert heard == [WRITE]
    assert [str(error) for error in told] == ["from a connection"]


def test_an_asyncio_loop_has_its_own_sockets_beside_ours(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    told: list[BaseException] = []
    selector = Selector(told.append)
    heard: list[int] = []

    async def both() -> bytes:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[None] = loop.create_future()

        def ours(events: int) -> None:
            heard.append(events)
            selector.unwatch(one.fileno())
            loop.call_soon(found.set_result, None)

        selector.watch(one.fileno(), READ, ours)
        server = await asyncio.start_server(
            lambda _, writer: (writer.write(b"hello\n"), writer.close()), "127.0.0.1", 0
        )
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            line = await reader.readline()
            writer.close()
            await writer.wait_closed()
        other.send(b"x")
        await found
        return line

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        assert runner.run(both()) == b"hello\n"
    assert heard == [READ]
    assert told == []
