"""Stores with much mail in them: how long lists and searches take, and what a delivery costs then.

    python benchmarks/stores.py [--count 100000] [--small 1000000] [memory] [sqlite]

The mail is that of ``corpus.py``, always the same, with long texts among it. A read is the best of five, in
milliseconds, beside a query that does nothing, of which it is a multiple. ``--small`` delivers so many mails of 1 KB to
an SQLite file and compares the CPU of a delivery at the end with that at 10,000; 0 leaves it out.
"""

import argparse
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import corpus

from mailtrap import MailServer
from mailtrap.store.base import Store
from mailtrap.store.contract.common import delivery, mail
from mailtrap.store.rows import Delivery, Key, Target
from mailtrap.store.sqlite import SQLiteStore

BOB = Target(Key("", "bob@example.org"))
GROUP = 200  # deliveries in one batch


def mixed(count: int) -> Iterator[bytes]:
    """So many mails of 1 to 50 KB, one in ten with an attachment."""
    draw = random.Random(2)
    words = corpus._WORDS
    for number, raw in enumerate(corpus.messages(count)):
        if number % 10 < 6:
            lines = [" ".join(draw.choices(words, k=10)) for _ in range(int(700 ** draw.random()))]
            raw += "\r\n".join([*lines, ""]).encode()
        yield raw


def fill(store: Store, mails: Iterator[bytes]) -> None:
    """Put mails in, many in one commit."""
    batch: list[Delivery] = []

    def put() -> None:
        for one in batch[:-1]:
            store.submit([one], lambda *_: None)
        store.deliver(batch[-1])
        batch.clear()

    for raw in mails:
        batch.append(delivery(BOB, raw=raw, scope=""))
        if len(batch) == GROUP:
            put()
    if batch:
        put()


def indexed(store: Store) -> float:
    """Wait for the full-text index; seconds."""
    began = time.perf_counter()
    if isinstance(store, SQLiteStore):
        while True:
            with store._read() as db:
                (done,) = db.execute("SELECT done FROM search.state").fetchone()
            if done >= store.head():
                break
            time.sleep(0.2)
    return time.perf_counter() - began


def best(function: Callable[[], Any], times: int = 5) -> float:
    """Milliseconds of the quickest of several calls."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        function()
        found.append((time.perf_counter() - began) * 1000)
    return min(found)


def measure(kind: str, count: int, folder: Path) -> None:
    """Fill one store and read it."""
    url = "memory" if kind == "memory" else f"sqlite:///{folder / 'mail.db'}"
    server = MailServer(store=url)
    store = server._parts.store
    before, raws = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
    began, cpu = time.perf_counter(), time.process_time()
    fill(store, mixed(count))
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    raws = store.tally().octets
    each = f"{raws / count:,.0f} octets in {wall:.0f} s, {cpu * 1000 / count:.3f} ms of CPU each"
    print(f"\n{kind}: {count:,} mails of {each}")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    beside = max(0, grown - (raws if kind == "memory" else 0)) / count
    print(f"memory beside the bytes, per mail: {beside:,.0f} octets")
    print(f"the index was filled {indexed(store):.0f} s later")
    nothing = best(store.head, 50)
    print(f"{'read':34} {'ms':>9} {'of an empty query':>18}")
    rare = f"subject:{count // 2 + 7}"
    reads: dict[str, Callable[[], Any]] = {
        "first page": lambda: server.page(limit=50, submitted=True),
        "page 1000": lambda: server.page(limit=50, submitted=True, skip=min(999 * 50, count - 50)),
        "unread count": server.tally,
        "search, rare word": lambda: server.search(rare, limit=50, submitted=True),
        "search, common word": lambda: server.search("monthly", limit=50, submitted=True),
        "search, common word, counted": lambda: server.found("monthly", limit=50, submitted=True),
        "search, from:": lambda: server.search("from:grace", limit=50, submitted=True),
        "search, phrase": lambda: server.search('"account order invoice"', limit=50, submitted=True),
        "search, in no mail": lambda: server.search("zebra", limit=50, submitted=True),
    }
    for name, read in reads.items():
        took = best(read, 5 if kind == "sqlite" else 2)
        print(f"{name:34} {took:9.2f} {took / nothing:18.1f}")
    if kind == "sqlite":
        server.stop()
        began = time.perf_counter()
        server = MailServer(store=url)
        print(f"{'start on the file':34} {(time.perf_counter() - began) * 1000:9.2f}")
    began = time.perf_counter()
    server.clear()
    print(f"{'delete all':34} {(time.perf_counter() - began) * 1000:9.2f}")
    server.stop()


def many(count: int, folder: Path) -> None:
    """The CPU of a delivery of 1 KB at 10,000 and at the end."""
    store = SQLiteStore(folder / "many.db")
    store._index.usable = False  # type: ignore[union-attr]  # deliveries alone
    costs = {}
    raws = (mail(number, 1000) for number in range(count))
    done = 0
    for until in (5_000, 10_000, count - 5_000, count):
        cpu = time.process_time()
        fill(store, (next(raws) for _ in range(until - done)))
        costs[until] = (time.process_time() - cpu) * 1000 / (until - done)
        done = until
    size = (folder / "many.db").stat().st_size
    print(f"\nsqlite, {count:,} mails of 1 KB: {costs[10_000]:.3f} ms of CPU each at 10,000, {costs[count]:.3f} at the")
    print(f"end, {costs[count] / costs[10_000]:.2f} of it; the file has {size / 1e9:.2f} GB")
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--small", type=int, default=1_000_000)
    parser.add_argument("stores", nargs="*", default=["memory", "sqlite"])
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mailtrap-bench-", dir=Path.cwd()))
    try:
        for kind in given.stores:
            measure(kind, given.count, folder)
        if given.small:
            many(given.small, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
