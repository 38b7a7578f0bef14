"""Kill -9 at random points under load, and look whether every mail that was answered is there, once.

    python benchmarks/faults.py [--times 50] [--seed N] [sqlite] [postgres]

Six threads of a process of its own deliver to two mailboxes and say what was answered; it is killed after a random
number of answers. An SQLite file is then opened again. In PostgreSQL another server delivers meanwhile and goes on.
"""

import argparse
import os
import random
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from mailtrap.store.base import Store
from mailtrap.store.contract.common import BOB, EVE, delivery
from mailtrap.store.open import open_store
from mailtrap.store.rows import Key

TESTS = Path(__file__).parent.parent / "tests/conftest.py"
LOAD = """
import sys, threading
from mailtrap.store.contract.common import BOB, EVE, delivery
from mailtrap.store.open import open_store

store = open_store(sys.argv[1])
lock = threading.Lock()

def work(worker):
    number = 0
    while True:
        number += 1
        name = f"{sys.argv[2]}-{worker}-{number}"
        receipt = store.deliver(delivery(BOB, EVE, raw=f"Subject: {name}\\r\\n\\r\\n{'x' * 3000}".encode()))
        with lock:
            print(receipt.seq, receipt.placed[0].uid, receipt.placed[1].uid, name, flush=True)

for worker in range(6):
    threading.Thread(target=work, args=(worker,)).start()
"""


def once(url: str, turn: int, answers: int, *, shared: bool) -> list[str]:
    """One process that is killed; what was answered. ``shared``: another server delivers at the same time."""
    stop = threading.Event()
    survivor = open_store(url) if shared else None
    own: list[str] = []

    def deliver(store: Store) -> None:
        while not stop.is_set() or len(own) % 5:
            name = f"own-{turn}-{len(own)}"
            receipt = store.deliver(delivery(EVE, BOB, raw=f"Subject: {name}\r\n\r\n".encode()))
            own.append(f"{receipt.seq} {receipt.placed[1].uid} {receipt.placed[0].uid} {name}")

    thread = threading.Thread(target=deliver, args=(survivor,))
    if survivor is not None:
        thread.start()
    process = subprocess.Popen([sys.executable, "-c", LOAD, url, str(turn)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if len(lines) == answers:
            os.kill(process.pid, signal.SIGKILL)
            break
    lines += [line for line in process.stdout if line.endswith("\n")]
    process.stdout.close()
    process.wait()
    stop.set()
    if survivor is not None:
        thread.join()
        survivor.close()
    return [line.strip() for line in lines] + own


def check(store: Store, answered: list[str]) -> tuple[int, int]:
    """How many were answered, and how many are there; ``AssertionError`` where a promise was broken."""
    rows = store.messages()
    assert [row.seq for row in rows] == list(range(1, store.head() + 1)), "seq has gaps"
    names = {row.seq: store.raw(row.seq).split(b"\r\n")[0].removeprefix(b"Subject: ").decode() for row in rows}
    assert len(set(names.values())) == len(names), "one is there twice"
    copies: list[dict[int, int]] = []
    for key in (BOB, EVE):
        box = store.mailbox(Key(key.scope, key.address), "INBOX")
        assert box is not None
        copies.append({copy.uid: copy.message.seq for copy in store.copies(box.id)})
        assert sorted(copies[-1]) == list(range(1, len(rows) + 1)), "UIDs have gaps"
        assert box.uidnext == len(rows) + 1
    for line in answered:
        seq, bob, eve, name = line.split()
        assert names.get(int(seq)) == name, f"{name} was answered and is not there"
        assert copies[0][int(bob)] == copies[1][int(eve)] == int(seq)
    return len(answered), len(rows)


def run(kind: str, url: str, times: int, chance: random.Random) -> None:
    """So many kills of one store."""
    answered: list[str] = []
    counts = (0, 0)
    for turn in range(times):
        answered += once(url, turn, chance.choice([1, 2, 5, 20, 50, 100]), shared=kind == "postgres")
        store = open_store(url)
        counts = check(store, answered)
        store.close()
    print(f"{kind}: killed {times} times; {counts[0]} mails were answered, each is there once, beside "
          f"{counts[1] - counts[0]} whose answer was lost")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("stores", nargs="*", default=["sqlite", "postgres"])
    given = parser.parse_args()
    if "sqlite" in given.stores:
        with tempfile.TemporaryDirectory() as folder:
            run("sqlite", f"sqlite:///{folder}/mail.db", given.times, random.Random(given.seed))
    if "postgres" in given.stores:
        server = runpy.run_path(str(TESTS))["PostgresServer"].make(durable=True)
        server.start()
        try:
            server.make_template()
            run("postgres", server.url("ours"), given.times, random.Random(given.seed))
        finally:
            server.remove()


if __name__ == "__main__":
    main()
