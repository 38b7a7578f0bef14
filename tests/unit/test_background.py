"""The thread that does what nobody waits for."""

import threading
from collections.abc import Iterator
from queue import Queue

import pytest

from mailtrap import clock
from mailtrap.background import Background

PATIENCE = 20


class Counting:
    """A worker that notes each turn, and can be held in one."""

    def __init__(self) -> None:
        self.turns: Queue[int] = Queue()
        self.go_on = threading.Event()
        self.go_on.set()
        self.ended = threading.Event()
        self.background = Background("mailtrap-counting", self.run)

    def run(self) -> None:
        number = 0
        while self.background.due():
            number += 1
            self.turns.put(number)
            assert self.go_on.wait(PATIENCE)
        self.ended.set()


@pytest.fixture
def worker() -> Iterator[Counting]:
    made = Counting()
    yield made
    made.go_on.set()
    made.background.close()


def threads(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def test_there_is_no_thread_before_there_is_something_to_do(worker: Counting) -> None:
    assert threads("mailtrap-counting") == 0
    worker.background.wake()
    assert worker.turns.get(timeout=PATIENCE) == 1
    assert threads("mailtrap-counting") == 1


def test_what_comes_while_it_works_is_one_more_turn(worker: Counting) -> None:
    worker.go_on.clear()
    worker.background.wake()
    assert worker.turns.get(timeout=PATIENCE) == 1
    for _ in range(5):
        worker.background.wake()
    worker.go_on.set()
    assert worker.turns.get(timeout=PATIENCE) == 2
    worker.background.close()
    assert worker.turns.empty()


def test_closing_waits_for_the_turn_and_ends_the_thread(worker: Counting) -> None:
    worker.background.wake()
    worker.turns.get(timeout=PATIENCE)
    worker.background.close()
    assert worker.ended.is_set()
    assert threads("mailtrap-counting") == 0
    worker.background.wake()  # and it does not begin again
    worker.background.close()
    assert worker.turns.empty()


def test_closed_before_it_began_it_never_does(worker: Counting) -> None:
    worker.background.close()
    worker.background.wake()
    assert threads("mailtrap-counting") == 0


def test_the_thread_may_close_itself() -> None:
    ended = threading.Event()

    def run() -> None:
        while background.due():
            background.close()
        ended.set()

    background = Background("mailtrap-closing", run)
    background.wake()
    assert ended.wait(PATIENCE)


def test_patience_ends_without_being_woken() -> None:
    turns: list[bool] = []
    third = threading.Event()

    def run() -> None:
        while background.due(0.001):
            turns.append(background.woken())
            if len(turns) == 3:
                third.set()
                return

    background = Background("mailtrap-patient", run)
    background.wake()
    assert third.wait(PATIENCE)
    background.close()
    assert turns == [False, False, False]


def test_a_pause_is_ended_by_closing_alone() -> None:
    pausing, woken, over = threading.Event(), threading.Event(), Queue[bool]()

    def run() -> None:
        assert background.due()
        pausing.set()
        assert woken.wait(PATIENCE)
        background.pause(0.05)
        over.put(background.woken())
        pausing.clear()
        background.pause(10 * PATIENCE)
        over.put(background.closing)

    background = Background("mailtrap-pausing", run)
    background.wake()
    assert pausing.wait(PATIENCE)
    began = clock.monotonic()
    background.wake()
    woken.set()
    assert over.get(timeout=PATIENCE)  # what it was woken for meanwhile is not forgotten
    assert clock.monotonic() - began >= 0.05
    background.close()
    assert over.get(timeout=PATIENCE)
