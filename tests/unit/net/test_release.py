"""What a session holds in the store is given back when its connection is gone."""

import threading

import pytest

WAIT = 20


@pytest.mark.parametrize("blocking", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_it_is_given_back_where_calls_are_answered(serve, blocking, fails):
    released = threading.Event()
    seen = []
    error = OSError("the store is gone")

    def release():
        seen.append((server.machines[0].closed.is_set(), threading.current_thread().name))
        released.set()
        if fails:
            raise error

    def script(machine):
        machine.release = release
        yield b"hello\r\n"
        yield from machine.line()

    server = serve(script, store_blocking=blocking)
    with server.connect() as client:
        assert client.line() == b"hello"
        assert seen == []
    assert released.wait(WAIT)
    ((closed, thread),) = seen
    assert closed
    assert ("worker" in thread) is blocking
    if fails:
        assert server.told.wait(WAIT)
        assert server.reported.pop()[0] is error


def test_what_the_session_gave_back_itself_is_not_given_back_again(serve):
    released = []

    def script(machine):
        machine.release = lambda: released.append(1)
        yield b"hello\r\n"
        machine.release = None

    server = serve(script)
    with server.connect() as client:
        assert client.rest() == b"hello\r\n"
    assert server.machines[0].closed.wait(WAIT)
    assert released == []
