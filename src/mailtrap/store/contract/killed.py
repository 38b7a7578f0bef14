"""A process that delivers to a store until it is killed, and what has to be there afterwards.

``python -m mailtrap.store.contract.killed URL NAME`` is that process: six threads deliver to two mailboxes, and each
mail that is answered is a line of output: its ``seq``, its UIDs, its name.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable

from ..base import Store
from ..open import open_store
from ..rows import Key
from .common import BOB, EVE, delivery

_THREADS = 6


def killed(url: str, answers: int, name: str = "load", each: Callable[[], object] = lambda: None) -> list[str]:
    """Deliver in a process that is killed (SIGKILL) after so many answers; the lines of all it answered.

    Args:
        name: what the names of its mails begin with.
        each: called after each line that is read.
    """
    command = [sys.executable, "-m", __name__, url, name]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  our own
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            each()
            if len(lines) == answers:
                os.kill(process.pid, signal.SIGKILL)
                break
        lines += [line for line in process.stdout if line.endswith("\n")]
    assert len(lines) >= answers, "it ended before it was killed"
    return [line.strip() for line in lines]


def check(store: Store, answered: Iterable[str]) -> int:
    """Each mail of these lines is there once, where it was said to be; how many there are in all.

    Raises:
        AssertionError: it is not so.
    """
    rows = store.messages()
    assert [row.seq for row in rows] == list(range(1, store.head() + 1)), "seq has gaps"
    names = {row.seq: store.raw(row.seq).split(b"\r\n")[0].removeprefix(b"Subject: ").decode() for row in rows}
    assert len(set(names.values())) == len(names), "one is there twice"
    bob, eve = _seqs(store, BOB, len(rows)), _seqs(store, EVE, len(rows))
    for line in answered:
        seq, uid, other, name = line.split()
        assert names.get(int(seq)) == name, f"{name} was answered and is not there"
        assert bob[int(uid)] == eve[int(other)] == int(seq)
    return len(rows)


def line_of(store: Store, name: str) -> str:
    """Deliver one more mail, here; its line."""
    receipt = store.deliver(delivery(BOB, EVE, raw=f"Subject: {name}\r\n\r\n{'x' * 3000}".encode()))
    bob, eve = receipt.placed
    return f"{receipt.seq} {bob.uid} {eve.uid} {name}"


def _seqs(store: Store, key: Key, messages: int) -> dict[int, int]:
    box = store.mailbox(key, "INBOX")
    assert box is not None
    seqs = {copy.uid: copy.message.seq for copy in store.copies(box.id)}
    assert sorted(seqs) == list(range(1, messages + 1)), "UIDs have gaps"
    assert box.uidnext == messages + 1
    return seqs


def _deliver_without_end(url: str, name: str) -> None:
    store, lock = open_store(url), threading.Lock()

    def work(worker: int) -> None:
        number = 0
        while True:
            number += 1
            line = line_of(store, f"{name}-{worker}-{number}")
            with lock:
                sys.stdout.write(line + "\n")
                sys.stdout.flush()

    for worker in range(_THREADS):
        threading.Thread(target=work, args=(worker,)).start()


if __name__ == "__main__":
    _deliver_without_end(sys.argv[1], sys.argv[2])
