"""The thread that writes what waits: who shares a commit with whom."""

import threading
from collections.abc import Iterator, Sequence

import pytest

from mailtrap import clock
from mailtrap.errors import StoreError
from mailtrap.store import writer
from mailtrap.store.writer import Job, Writer

START = {number: threading.Barrier(number) for number in (1, 4)}
TAKES = 0.001  # seconds for each go
PATIENCE = 0.25  # seconds in which the others come again, on however slow a machine


class Noting(Writer[int]):
    """Answers each number with its double, and notes which were written together."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        super().__init__(self.errors.append)
        self.groups: list[list[int]] = []
        self.start()

    def _write(self, jobs: Sequence[Job[int]]) -> None:
        self.groups.append([job.work for job in jobs])
        clock.sleep(TAKES)
        for job in jobs:
            self._finish(job, 2 * job.work, None)


@pytest.fixture
def noting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Noting]:
    monkeypatch.setattr(writer, "_WORTH", PATIENCE / TAKES)
    monkeypatch.setattr(writer, "_LONGEST", PATIENCE)
    noting = Noting()
    yield noting
    noting.close()
    assert noting.errors == []


def send(noting: Noting, sender: int, times: int, together: int = 1) -> threading.Thread:
    def run() -> None:
        START[together].wait()
        for number in range(times):
            assert noting.run(100 * sender + number) == 2 * (100 * sender + number)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_who_sends_one_after_another_shares_each_commit(noting: Noting) -> None:
    senders = [send(noting, sender, 20, together=4) for sender in range(4)]
    for thread in senders:
        thread.join()
    assert sorted(number for group in noting.groups for number in group) == sorted(
        100 * sender + number for sender in range(4) for number in range(20)
    )
    # all but the first and the last of them; two halves that take turns would be forty
    assert len(noting.groups) <= 26


def test_who_is_alone_does_not_wait(noting: Noting, monkeypatch: pytest.MonkeyPatch) -> None:
    finish = Noting._finish

    def slowly(noting: Noting, job: Job[int], result: int | None, error: Exception | None) -> None:
        finish(noting, job, result, error)
        clock.sleep(TAKES)  # in which the next is there already

    monkeypatch.setattr(Noting, "_finish", slowly)
    began = clock.monotonic()
    send(noting, 1, 20).join()
    assert noting.groups == [[100 + number] for number in range(20)]
    assert noting._alone == 0  # no wait, so none in vain
    assert clock.monotonic() - began < 20 * PATIENCE


def test_a_wait_in_vain_is_not_tried_again_soon(noting: Noting) -> None:
    noting._together = 3  # as if two others had been there
    send(noting, 1, 1).join()
    assert noting._alone == writer._IN_VAIN
    noting._together = 3
    send(noting, 2, 1).join()
    assert noting._alone == writer._IN_VAIN - 1


def test_nobody_waits_long_because_another_took_long(noting: Noting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_LONGEST", 0.01)
    noting._together, noting._took = 3, 1_000.0
    began = clock.monotonic()
    send(noting, 1, 1).join()
    assert clock.monotonic() - began < 100
    assert noting._alone == writer._IN_VAIN


def test_closing_ends_the_wait(noting: Noting) -> None:
    noting._together = 3
    answers: list[object] = []
    noting.put(Job(1, lambda result, error: answers.append(result)))
    noting.close()
    assert answers == [2]
    with pytest.raises(StoreError, match="closed"):
        noting.run(2)
