"""A driver carries out the steps of its session: over real sockets, and over a transport that only writes down."""

import socket
import struct
import threading
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailtrap import limits
from mailtrap.net.driver import Driver
from mailtrap.store.rows import Hint, Key
from mailtrap.wire.steps import NEED_DATA, Call, Close, Delay, Hold, Later, Pause, Watch

WAIT = 20


def test_a_session_talks_over_a_socket(serve):
    server = serve()
    with server.connect() as client:
        assert client.line() == b"hello"
        client.sendall(b"one\r\ntwo\r\nQUIT\r\n")
        assert client.rest() == b"one\r\ntwo\r\nQUIT\r\n"
        peer = client.getsockname()
    machine = server.machines[0]
    assert machine.closed.wait(WAIT)
    assert machine.record.peer == peer
    assert not machine.record.open


def test_ipv6(serve):
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    server = serve(host="::1")
    with server.connect() as client:
        assert client.line() == b"hello"
    assert server.machines[0].record.peer[0] == "::1"


def test_small_replies_are_not_held_back(serve):
    options = []

    class Looking(Driver):
        def connection_made(self, transport):
            options.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            super().connection_made(transport)

    with serve(driver=Looking).connect() as client:
        client.line()
    assert options[0] != 0


def test_replies_to_pipelined_commands_leave_in_one_write(fake, echo_script):
    driver, transport, _ = fake.connect(echo_script)
    assert transport.writes == [b"hello\r\n"]
    fake.feed(driver, b"a\r\nb\r\nc\r\n")
    assert transport.writes == [b"hello\r\n", b"a\r\nb\r\nc\r\n"]


@given(cuts=st.lists(st.integers(0, 60), max_size=12))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_how_input_is_split_makes_no_difference(fake, echo_script, cuts):
    data = b"".join(b"line %d\r\n" % number for number in range(6)) + b"QUIT\r\nnever said\r\n"
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    driver, transport, _ = fake.connect(echo_script)
    for begin, end in pairwise(edges):
        fake.feed(driver, data[begin:end])
    assert transport.written == b"hello\r\n" + data[: data.index(b"never")]
    fake.run(driver.connection_lost, None)


# ---------------------------------------------------------------- output


def test_no_step_is_taken_while_output_waits(fake):
    taken = []

    def script(machine):
        for number in range(1000):
            taken.append(number)
            yield b"x" * 10_000
        yield NEED_DATA

    driver, transport, _ = fake.connect(script, room=0)
    high = limits.WRITE_HIGH // 10_000 + 1
    assert len(taken) <= 2 * high
    before = len(taken)
    fake.feed(driver, b"hello?")
    assert len(taken) == before
    fake.drain(transport)
    assert before < len(taken) <= before + 3 * high
    while len(transport.written) < 10_000_000:
        fake.drain(transport)
    assert transport.written == b"x" * 10_000_000


def test_a_long_piece_goes_out_in_chunks(fake):
    body = bytes(range(256)) * 8192  # 2 MB

    def script(machine):
        yield b"+OK\r\n"
        yield body
        yield b".\r\n"
        yield NEED_DATA

    _, transport, _ = fake.connect(script, room=0)
    assert len(transport.written) <= 2 * limits.WRITE_CHUNK
    for _ in range(100):
        if transport.unsent:
            fake.drain(transport)
    assert transport.written == b"+OK\r\n" + body + b".\r\n"
    assert max(map(len, transport.writes)) <= limits.WRITE_CHUNK


def test_a_client_that_does_not_read_holds_up_nobody_else(serve, echo_script):
    produced = []

    def script(machine):
        first = yield from machine.line()
        if first == b"echo":
            yield from echo_script(machine)
            return
        for number in range(2000):
            produced.append(number)
            yield b"y" * 10_000

    server = serve(script)
    with server.connect(receive_buffer=4096) as lazy, server.connect() as client:
        lazy.sendall(b"go\r\n")
        client.sendall(b"echo\r\n")
        assert client.line() == b"hello"
        for number in range(50):
            client.sendall(b"%d\r\n" % number)
            assert client.line() == b"%d" % number
        assert len(produced) < 2000
        assert len(lazy.rest()) == 20_000_000


def test_a_session_that_goes_on_and_on_gives_others_their_turn(serve, echo_script):
    stop = threading.Event()

    def script(machine):
        if (yield from machine.line()) == b"echo":
            yield from echo_script(machine)
            return
        while not stop.is_set():
            yield Call(int)

    server = serve(script)
    with server.connect() as busy, server.connect() as client:
        busy.sendall(b"go\r\n")
        client.sendall(b"echo\r\nstill there\r\n")
        assert client.line() == b"hello"
        assert client.line() == b"still there"
        stop.set()
        assert busy.rest() == b""


# ---------------------------------------------------------------- input


def test_reading_stops_while_a_busy_session_has_too_much_unread(fake):
    dones = []

    def script(machine):
        yield Later(dones.append)
        del machine.buffer[:]
        yield b"ok"
        yield NEED_DATA

    driver, transport, machine = fake.connect(script)
    fake.feed(driver, b"z" * limits.UNPARSED_HIGH)
    assert transport.reading
    fake.feed(driver, b"z")
    assert not transport.reading
    fake.run(dones[0], None, None)
    fake.turn()
    assert transport.written == b"ok"
    assert transport.reading
    assert not machine.buffer


def test_a_session_that_asks_for_more_gets_more(fake):
    def script(machine):
        while len(machine.buffer) < 3 * limits.UNPARSED_HIGH:
            yield NEED_DATA
        yield b"all"
        yield NEED_DATA

    driver, transport, _ = fake.connect(script)
    for _ in range(3):
        assert transport.reading
        fake.feed(driver, b"b" * limits.UNPARSED_HIGH)
    assert transport.written == b"all"


def test_a_client_that_half_closes_gets_every_reply(serve):
    def script(machine):
        while (line := (yield from machine.line())) is not None:
            yield (yield Call(lambda line=line: line.upper() + b"\r\n", worker=line.startswith(b"w")))
        yield b"bye\r\n"

    with serve(script).connect() as client:
        client.sendall(b"a\r\nw1\r\nb\r\nw2\r\n")
        client.shutdown(socket.SHUT_WR)
        assert client.rest() == b"A\r\nW1\r\nB\r\nW2\r\nbye\r\n"


def test_a_session_that_waits_for_what_never_comes_ends(serve):
    def script(machine):
        while True:
            yield NEED_DATA

    server = serve(script)
    with server.connect() as client:
        client.shutdown(socket.SHUT_WR)
        assert client.rest() == b""
    assert server.machines[0].closed.wait(WAIT)


def test_the_last_reply_arrives_though_the_client_talks_on(serve):
    def script(machine):
        yield from machine.line()
        yield b"421 enough\r\n"
        yield Close()

    with serve(script).connect() as client:
        client.sendall(b"first\r\n" + b"second\r\n" * 1000)
        assert client.line() == b"421 enough"
        client.sendall(b"third\r\n" * 10_000)
        assert client.rest() == b""


def test_a_long_last_reply_arrives_though_the_client_talks_on(serve):
    def script(machine):
        yield from machine.line()
        yield b"x" * 3_000_000
        yield Close()

    with serve(script).connect(receive_buffer=4096) as client:
        client.sendall(b"first\r\n" + b"second\r\n" * 1000)
        assert len(client.rest()) == 3_000_000


@pytest.mark.parametrize("size", [10, 60_000, 3_000_000])
def test_a_client_that_breaks_off_while_its_last_reply_leaves_is_no_error(serve, size):
    go_on, reached = threading.Event(), threading.Event()

    def script(machine):
        yield from machine.line()
        yield b"x" * size
        reached.set()
        yield Call(go_on.wait, WAIT, worker=True)
        yield Close()

    server = serve(script)
    with server.connect(receive_buffer=4096) as client:
        client.sendall(b"first\r\n" + b"second\r\n" * 1000)
        client.exactly(1)
        assert size > 100_000 or reached.wait(WAIT)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    go_on.set()
    assert server.machines[0].closed.wait(WAIT)


# ---------------------------------------------------------------- calls


@pytest.mark.parametrize(
    ("store_blocking", "worker", "expected"),
    [(False, False, "mailtrap"), (True, False, "worker"), (False, True, "worker")],
)
def test_where_a_call_is_made(serve, store_blocking, worker, expected):
    def script(machine):
        name = yield Call(lambda prefix: prefix + threading.current_thread().name, "in ", worker=worker)
        yield name.encode()

    with serve(script, store_blocking=store_blocking).connect() as client:
        name = client.rest().decode()
    assert name == "in mailtrap" if expected == "mailtrap" else name.startswith("in mailtrap-worker")


@pytest.mark.parametrize("worker", [False, True])
@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt])
def test_what_a_call_raises_is_the_sessions_to_handle(serve, worker, kind):
    def fails():
        raise kind("told")

    def script(machine):
        try:
            yield Call(fails, worker=worker)
        except kind as error:
            yield f"451 {error}\r\n".encode()

    with serve(script).connect() as client:
        assert client.rest() == b"451 told\r\n"


def test_a_lost_connection_does_not_cancel_a_call_that_has_begun(serve):
    begun, go_on, finished = threading.Event(), threading.Event(), threading.Event()

    def work():
        begun.set()
        assert go_on.wait(WAIT)
        finished.set()

    def script(machine):
        yield Call(work, worker=True)
        yield b"dropped"

    server = serve(script)
    client = server.connect()
    assert begun.wait(WAIT)
    machine = server.machines[0]
    machine.record.disconnect()
    assert client.rest() == b""
    client.close()
    assert not machine.closed.is_set()
    go_on.set()
    assert machine.closed.wait(WAIT)
    assert finished.is_set()
    server.stop()
    assert not machine.record.open


def test_later_from_another_thread_and_at_once(serve):
    def elsewhere(value, done):
        threading.Thread(target=done, args=(value, None)).start()

    def at_once(value, done):
        done(value, None)
        done("a second time", None)

    def fails(done):
        raise ValueError("no")

    def fails_later(done):
        threading.Thread(target=done, args=(None, ValueError("not now"))).start()

    def script(machine):
        yield (yield Later(elsewhere, b"1"))
        yield (yield Later(at_once, b"2"))
        for function in (fails, fails_later):
            try:
                yield Later(function)
            except ValueError as error:
                yield str(error).encode()
        yield (yield Later(elsewhere, b"3"))

    with serve(script).connect() as client:
        assert client.rest() == b"12nonot now3"


def test_later_at_once_is_one_write_with_what_follows(fake):
    def script(machine):
        yield b"1"
        yield (yield Later(lambda done: done(b"2", None)))
        yield NEED_DATA

    _, transport, _ = fake.connect(script)
    assert transport.writes == [b"12"]


def test_done_called_twice_is_heard_once(fake):
    dones = []

    def script(machine):
        yield (yield Later(dones.append))
        yield (yield Later(dones.append))
        yield NEED_DATA

    _, transport, _ = fake.connect(script)
    fake.run(lambda: [dones[0](b"first", None), dones[0](b"again", None)])
    fake.turn()
    fake.run(dones[0], b"and again", None)
    fake.turn()
    assert transport.written == b"first"
    fake.run(dones[1], b" second", None)
    fake.turn()
    assert transport.written == b"first second"


def test_a_lost_connection_waits_for_its_later(fake):
    dones = []

    def script(machine):
        yield Later(dones.append)

    driver, _, machine = fake.connect(script)
    fake.run(driver.connection_lost, None)
    assert not machine.closed.is_set()
    fake.run(dones[0], None, None)
    fake.turn()
    assert machine.closed.is_set()


def test_a_coroutine_as_a_step(serve):
    async def work(value):
        if value < 0:
            raise ValueError("negative")
        return b"%d" % (value + 1)

    def script(machine):
        driver = next(iter(server.hub.drivers))
        yield (yield Later(driver.run_coroutine, work(41)))
        try:
            yield Later(driver.run_coroutine, work(-1))
        except ValueError:
            yield b" no"

    server = serve(lambda machine: start(machine))

    def start(machine):
        yield from machine.line()
        yield from script(machine)

    with server.connect() as client:
        client.sendall(b"go\r\n")
        assert client.rest() == b"42 no"


# ---------------------------------------------------------------- time and others


def test_pause_and_delay_and_hold(serve):
    held, holding = [], threading.Event()

    def hold(callback):
        held.append(callback)
        holding.set()

    def script(machine):
        yield b"1"
        yield Pause()
        yield b"2"
        yield Delay(0.001)
        yield b"3"
        yield Hold(lambda callback: callback())
        yield b"4\n"
        yield Hold(hold)
        yield b"5"

    with serve(script).connect() as client:
        assert client.line() == b"1234"
        assert holding.wait(WAIT)
        held[0]()
        held[0]()
        assert client.rest() == b"5"


def test_output_before_a_delay_is_sent_first_and_a_lost_connection_ends_it(fake):
    def script(machine):
        yield b"wait"
        yield Delay(3600)

    driver, transport, machine = fake.connect(script)
    assert transport.written == b"wait"
    fake.run(driver.connection_lost, None)
    assert machine.closed.is_set()
    assert driver._timer is None


def test_watchers_are_woken_and_others_are_not(serve):
    def script(machine):
        number = int((yield from machine.line()))
        yield Watch([number])
        yield b"watching\r\n"
        while not machine.woken:
            yield NEED_DATA
        machine.woken = False
        yield b"woken\r\n"
        yield Watch([])
        if (yield from machine.line()) == b"QUIT":
            yield b"woken again\r\n" if machine.woken else b"at peace\r\n"

    server = serve(script)
    with server.connect() as one, server.connect() as two:
        for client, number in ((one, 1), (two, 2)):
            client.sendall(b"%d\r\n" % number)
            assert client.line() == b"watching"
        for modseq in range(100):
            server.hub.hint(Hint(modseq, {1: modseq, 77: 1}))
        assert one.line() == b"woken"
        server.hub.hint(Hint(100, {1: 100}))
        one.sendall(b"QUIT\r\n")
        assert one.rest() == b"at peace\r\n"
        server.hub.hint(Hint(101, {2: 1}))
        assert two.line() == b"woken"


def test_a_watch_may_end_by_itself(serve):
    def script(machine):
        yield Watch([1], seconds=1000)
        yield Watch([1], seconds=0.01)  # and not as was said before
        while not machine.woken:
            yield NEED_DATA
        machine.woken = False
        yield b"woken\r\n"
        yield Watch([1], seconds=1000)
        yield Watch([1])
        if (yield from machine.line()) == b"QUIT":
            yield b"woken again\r\n" if machine.woken else b"at peace\r\n"

    server = serve(script)
    with server.connect() as client:
        assert client.line() == b"woken"
        client.sendall(b"QUIT\r\n")
        assert client.rest() == b"at peace\r\n"
    with server.connect() as client:
        assert client.line() == b"woken"  # and leaves without a word: nobody is woken any more


def test_many_hints_are_one_wake_up(fake):
    woken = []

    def script(machine):
        yield Watch([5, 6])
        while True:
            yield NEED_DATA
            woken.append(machine.woken)

    fake.connect(script)

    def hints():
        for number in range(50):
            fake.hub.hint(Hint(number, {5: number, 6: number}))
        assert woken == []  # nobody is woken inside hint()

    fake.run(hints)
    fake.turn()
    assert woken == [True]


def test_who_is_woken_together_is_heard_after_all_are_woken(fake):
    woken = []
    heard = []

    def script(name, says):
        def steps(machine):
            yield Watch([5])
            yield NEED_DATA
            woken.append(name)
            yield Watch([5, 6])
            yield from says
            yield NEED_DATA
            yield b"again " + name

        return steps

    names = [b"a", b"b", b"c"]
    transports = []
    for name in names:
        driver, transport, _ = fake.connect(script(name, [b"hello ", name]))
        driver._write = lambda data, write=driver._write: (heard.append(len(woken)), write(data))
        transports.append(transport)
    _, leaving, _ = fake.connect(script(b"d", [b"bye", Close()]))

    def raising(machine):
        yield Watch([5])
        yield NEED_DATA
        yield b"before"
        raise RuntimeError("spoiled")

    _, failed, _ = fake.connect(raising)
    fake.run(fake.hub.hint, Hint(1, {5: 1}))
    fake.turn()
    assert sorted(woken) == [*names, b"d"]
    assert heard == [4, 4, 4]
    assert [transport.written for transport in transports] == [b"hello a", b"hello b", b"hello c"]
    assert leaving.written == b"bye"
    assert leaving.closed
    assert failed.written == b"before"
    assert [str(error) for error, _ in fake.reported] == ["spoiled"]
    fake.reported.clear()
    fake.run(fake.hub.hint, Hint(2, {6: 2}))
    fake.turn()
    assert [transport.written for transport in transports] == [b"hello aagain a", b"hello bagain b", b"hello cagain c"]


def test_an_account_can_be_watched(fake):
    bob, eve = Key("", "bob@example.com"), Key("", "eve@example.com")
    woken = []

    def script(machine):
        yield Watch([5, bob])
        while True:
            yield NEED_DATA
            woken.append(machine.woken)

    fake.connect(script)
    fake.run(fake.hub.hint, Hint(1, {7: 1}, frozenset({eve})))
    fake.turn()
    assert woken == []
    fake.run(fake.hub.hint, Hint(2, {}, frozenset({eve, bob})))
    fake.turn()
    assert woken == [True]


def test_who_is_gone_watches_nothing(fake):
    def script(machine):
        yield Watch([5])
        yield NEED_DATA

    driver, _, _ = fake.connect(script)
    fake.run(driver.connection_lost, None)
    assert fake.hub._watched == {}


# ---------------------------------------------------------------- timeouts


def test_a_silent_client_is_told_and_left(serve):
    with serve(timeout=0.05).connect() as client:
        assert client.rest() == b"hello\r\ntoo slow\r\n"


def test_what_counts_as_silence(fake, echo_script):
    driver, transport, _ = fake.connect(echo_script, timeout=10)
    fake.run(driver.swept, 100.0)
    fake.run(driver.swept, 109.0)
    assert not transport.closed
    fake.feed(driver, b"a\r\n")
    fake.run(driver.swept, 110.0)
    fake.run(driver.swept, 119.0)
    assert not transport.closed
    fake.run(driver.swept, 120.0)
    assert transport.closed
    assert transport.written.endswith(b"too slow\r\n")


def test_a_call_that_takes_long_is_no_silence(fake):
    dones = []

    def script(machine):
        yield Later(dones.append)
        yield NEED_DATA

    driver, transport, _ = fake.connect(script, timeout=10)
    for now in (100.0, 200.0, 300.0):
        fake.run(driver.swept, now)
    assert not transport.closed
    fake.run(dones[0], None, None)
    fake.turn()
    fake.run(driver.swept, 305.0)
    fake.run(driver.swept, 314.0)
    assert not transport.closed
    fake.run(driver.swept, 315.0)
    assert transport.closed


def test_a_client_that_reads_slowly_stays_and_one_that_does_not_read_goes(fake):
    def script(machine):
        yield b"x" * 300_000
        yield NEED_DATA

    driver, transport, _ = fake.connect(script, room=0, timeout=10)
    fake.run(driver.swept, 100.0)
    for step in range(1, 5):
        transport.unsent -= 100
        fake.run(driver.swept, 100.0 + 9 * step)
        assert not transport.aborted
    fake.run(driver.swept, 146.0)
    assert transport.aborted


def test_a_connection_that_ends_does_not_wait_for_ever(fake):
    def script(machine):
        yield b"bye"
        yield Close()

    driver, transport, _ = fake.connect(script, room=-100_000, timeout=10)
    assert not transport.aborted
    fake.run(driver.swept, 100.0)
    fake.run(driver.swept, 111.0)
    assert transport.aborted


# ---------------------------------------------------------------- failures and ends


def test_an_exception_of_a_session_is_reported_and_the_server_lives(serve):
    def script(machine):
        yield b"before\r\n"
        if (yield from machine.line()) == b"fail":
            raise RuntimeError("a bug")
        yield b"fine"

    server = serve(script)
    with server.connect() as client:
        client.sendall(b"fail\r\n")
        assert client.rest() == b"before\r\n"
    assert server.told.wait(WAIT)
    [(error, scope)] = server.reported
    assert str(error) == "a bug"
    assert scope is server.machines[0].scope
    server.reported.clear()
    assert server.machines[0].closed.wait(WAIT)
    with server.connect() as client:
        client.sendall(b"go\r\n")
        assert client.rest() == b"before\r\nfine"


def test_a_session_that_cannot_be_made_is_reported(serve):
    server = serve(lambda machine: 1 / 0)
    with server.connect() as client:
        assert client.rest() == b""
    assert isinstance(server.reported.pop()[0], ZeroDivisionError)
    assert server.hub.drivers == set()


def test_what_is_no_step_is_reported(serve):
    def script(machine):
        yield "text"

    server = serve(script)
    with server.connect() as client:
        assert client.rest() == b""
    assert isinstance(server.reported.pop()[0], TypeError)


def test_an_exception_while_closing_is_reported(serve):
    def script(machine):
        try:
            yield NEED_DATA
            yield NEED_DATA
        finally:
            raise RuntimeError("while closing")

    server = serve(script)
    with server.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert server.told.wait(WAIT)
    assert str(server.reported.pop()[0]) == "while closing"


def test_disconnect_from_any_thread(serve):
    server = serve()
    with server.connect() as client:
        client.line()
        record = server.machines[0].record
        record.disconnect()
        assert client.rest() == b""
    assert server.machines[0].closed.wait(WAIT)
    record.disconnect()


def test_close_at_once_and_with_a_reset(serve):
    def script(machine):
        yield Close(abort=True, reset=(yield from machine.line()) == b"reset")

    server = serve(script)
    with server.connect() as client:
        client.sendall(b"reset\r\n")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with server.connect() as client:
        client.sendall(b"clean\r\n")
        assert client.rest() == b""


def test_stopping_ends_open_connections_and_lets_calls_finish(serve):
    begun, go_on, finished = threading.Event(), threading.Event(), threading.Event()

    def work():
        begun.set()
        go_on.wait(WAIT)
        finished.set()

    def script(machine):
        yield b"hello\r\n"
        if (yield from machine.line()) == b"work":
            yield Call(work, worker=True)

    server = serve(script)
    clients = [server.connect() for _ in range(20)]
    for client in clients:
        assert client.line() == b"hello"
    clients[0].sendall(b"work\r\n")
    assert begun.wait(WAIT)
    closer = threading.Thread(target=server.hub.close, args=(WAIT,))
    closer.start()
    for client in clients:
        assert client.rest() == b""
        client.close()
    go_on.set()
    closer.join(WAIT)
    assert not closer.is_alive()
    assert finished.is_set()
    assert server.hub.drivers == set()
    with pytest.raises(ConnectionRefusedError):
        server.connect()


def test_stopping_waits_for_what_the_store_has_not_committed(serve):
    dones, submitted = [], threading.Event()

    def submit(done):
        dones.append(done)
        submitted.set()

    def script(machine):
        yield Later(submit)

    server = serve(script)
    with server.connect() as client:
        assert submitted.wait(WAIT)
        closer = threading.Thread(target=server.hub.close, args=(WAIT,))
        closer.start()
        assert client.rest() == b""
        assert not server.machines[0].closed.is_set()
        dones[0](None, None)
        closer.join(WAIT)
    assert server.machines[0].closed.is_set()
    assert not server.machines[0].record.open


def test_stopping_is_bounded(serve):
    release, begun = threading.Event(), threading.Event()

    def work():
        begun.set()
        release.wait(WAIT)

    def script(machine):
        yield Call(work, worker=True)

    server = serve(script)
    with server.connect():
        assert begun.wait(WAIT)
        server.hub.close(0.05)
        assert not server.machines[0].closed.is_set()
        release.set()
        assert server.machines[0].closed.wait(WAIT)


def test_stopping_does_not_wait_for_clients_that_do_not_read(serve):
    def script(machine):
        while True:
            yield b"z" * 10_000

    server = serve(script)
    with server.connect(receive_buffer=4096) as client:
        client.exactly(1)
        server.stop()
        assert server.machines[0].closed.is_set()


def test_two_servers(serve):
    one, two = serve(), serve()
    with one.connect() as first, two.connect() as second:
        assert first.line() == second.line() == b"hello"
        one.stop()
        second.sendall(b"still\r\n")
        assert second.line() == b"still"


def test_no_timer_without_connections(serve):
    server = serve(timeout=0.05)
    with server.connect() as client:
        client.rest()
    assert server.machines[0].closed.wait(WAIT)
    seen = threading.Event()

    def look():
        seen.set() if server.hub._sweep is None else server.hub.loop.call_later(0.01, look)

    server.thread.call_soon(look)
    assert seen.wait(WAIT)


# ---------------------------------------------------------------- beside aiosmtpd


def test_it_can_be_an_aiosmtpd_smtp_at_the_same_time(serve):
    from aiosmtpd.handlers import Sink
    from aiosmtpd.smtp import SMTP

    class Edge(Driver, SMTP):
        def __init__(self, *args):
            SMTP.__init__(self, Sink(), hostname="mail.test", loop=server.thread.loop)
            Driver.__init__(self, *args)

    server = serve()
    before = SMTP(Sink(), hostname="mail.test", loop=server.thread.loop)
    ours = {name for kind in Driver.__mro__[:2] for name in vars(kind)} | {"hub", "machine", "peer", "_wire", "_write"}
    callbacks = {"connection_made", "connection_lost", "eof_received", "pause_writing", "resume_writing"}
    theirs = {name for name in dir(before) if not name.startswith("__")}
    assert ours & theirs == callbacks

    def script(machine):
        yield b"220 hi\r\n"
        yield from machine.line()

    other = serve(script, driver=Edge)
    with other.connect() as client:
        assert client.line() == b"220 hi"
