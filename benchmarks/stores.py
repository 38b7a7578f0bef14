"""Stores with much mail in them, and Mailpit beside ours: what a delivery costs, how long lists and searches take.

    python benchmarks/stores.py [--count 100000] [memory] [sqlite] [postgres] [mailpit]
    python benchmarks/stores.py --million

The mail is ``corpus.mixed()``, always the same. Each store is in a process of its own; PostgreSQL is a server started
for this, with its defaults. Deliveries are the store's own, from 1 thread and from 20; a read is what the viewer and
the API ask the server for, in milliseconds: the first time, the best of five, and that as a multiple of a query that
does nothing. ``mailpit`` is Mailpit beside ``mailtrap serve`` on SQLite, over SMTP and HTTP; see ``mailpit.py``.

``--million`` delivers 1,000,000 mails of 1 KB to an SQLite file without its full-text index and compares the cost of a
delivery at the end with that at 10,000.
"""

import argparse
import json
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mailpit
from corpus import SOUGHT, Mails, mixed
from processes import resident

from mailtrap import MailServer
from mailtrap.store.base import Store
from mailtrap.store.contract.common import delivery, mail
from mailtrap.store.rows import Key, Target
from mailtrap.store.sqlite import SQLiteStore

BOB = Target(Key("", "bob@example.org"))
TESTS = Path(__file__).parent.parent / "tests/conftest.py"
EARLY, LAST, GROUP = 10_000, 5_000, 200  # of a million: with which it is compared, what is measured, in one commit
STORES = ("memory", "sqlite", "postgres")
PAGE = 50
SENDERS = 20
PATIENCE = 900.0
MOST = {"memory": 10_000}  # searches look at each mail there, and keep what they compute of some thousands

Figures = dict[str, float | list[float]]


# ---------------------------------------------------------------- deliveries


def deliver(store: Store, mails: Mails, first: int, behind: int, senders: int) -> tuple[float, float]:
    """Deliveries a second by so many threads, and milliseconds of this process's CPU for one."""
    numbers = iter(range(first, behind))  # shared: each thread takes the next

    def send() -> None:
        for number in numbers:
            store.deliver(delivery(BOB, raw=mails[number], scope=""))

    threads = [threading.Thread(target=send) for _ in range(senders)]
    began, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    return (behind - first) / took, (time.process_time() - cpu) * 1000 / (behind - first)


def indexed(kind: str, store: Any) -> float:
    """Wait for the full-text index; seconds."""
    if kind == "memory":
        return 0.0
    query = "SELECT done FROM search.state" if kind == "sqlite" else "SELECT done FROM indexed"
    began = time.perf_counter()
    while time.perf_counter() - began < PATIENCE:
        with store._read() as db:
            (done,) = db.execute(query).fetchone()
        if done >= store.head():
            return time.perf_counter() - began
        time.sleep(0.2)
    raise TimeoutError(f"the index is at {done} of {store.head()}")


# ---------------------------------------------------------------- reads


def timed(function: Callable[[], Any], times: int) -> list[float]:
    """Milliseconds of each of several calls."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        function()
        found.append((time.perf_counter() - began) * 1000)
    return found


def read(server: MailServer, count: int) -> Figures:
    """The first and the best time of each read."""
    reads: dict[str, Callable[[], Any]] = {
        "first page": lambda: server.page(limit=PAGE, submitted=True),
        f"page {last_page(count):,}": lambda: server.page(
            limit=PAGE, submitted=True, skip=(last_page(count) - 1) * PAGE
        ),
        "unread count": server.tally,
    }
    for name, query in SOUGHT.items():
        reads[f"search of {name}"] = lambda query=query: server.search(query, limit=PAGE, submitted=True)
    reads["search of a word in no mail"] = lambda: server.search("zebra", limit=PAGE, submitted=True)
    reads["a common word, counted"] = lambda: server.found(SOUGHT["a common word"], limit=PAGE, submitted=True)
    found: Figures = {"an empty query": [0.0, min(timed(server._parts.store.head, 200))]}
    for name, function in reads.items():
        [first] = timed(function, 1)
        found[name] = [first, first if first > 2000 else min(timed(function, 5))]
    return found


def last_page(count: int) -> int:
    """The page 1,000, or the last one where there are fewer."""
    return min(1000, max(1, count // PAGE))


def measure(kind: str, url: str, path: Path) -> Figures:
    """Fill one store and read it."""
    mails = Mails(path)
    count = min(len(mails), MOST.get(kind, len(mails)))
    server = MailServer(store=url)
    store = server._parts.store
    before = resident(os.getpid())
    alone = min(2_000, count // 10)
    figures: Figures = {"count": count}
    figures["1 sender"] = list(deliver(store, mails, 0, alone, 1))
    figures["20 senders"] = list(deliver(store, mails, alone, count, SENDERS))
    octets = store.tally().octets
    grown = resident(os.getpid()) - before - (octets if kind == "memory" else 0)
    figures["memory"] = max(0, grown) / count
    figures["index"] = indexed(kind, store)
    figures["reads"] = read(server, count)  # type: ignore[assignment]
    if kind != "memory":
        server.stop()
        began = time.perf_counter()
        server = MailServer(store=url)
        server.page(limit=PAGE)
        figures["start"] = (time.perf_counter() - began) * 1000
    began = time.perf_counter()
    server.clear()
    figures["delete"] = (time.perf_counter() - began) * 1000
    assert not server.tally().messages
    server.stop()
    return figures


# ---------------------------------------------------------------- the tables


def table(stores: dict[str, Figures], count: int, octets: int) -> None:
    """One table of all stores."""
    names = list(stores)
    row = "| {} |" + " {} |" * len(names)
    print(f"\n{count:,} mails, {octets / count:,.0f} octets on average\n")
    heads = [f"{name}, {stores[name]['count']:,}" for name in names]
    print(row.format("in process", *heads))
    print("|" + "---|" * (len(names) + 1))
    for key, label in (("1 sender", "deliveries a second, 1 sender"), ("20 senders", "the same, 20 senders")):
        print(row.format(f"{label} (CPU ms each)", *("{:,.0f} ({:.3f})".format(*stores[name][key]) for name in names)))
    print(row.format("memory for each mail, octets", *(f"{stores[name]['memory']:,.0f}" for name in names)))
    print(row.format("the index knows all, s later", *(f"{stores[name]['index']:.0f}" for name in names)))
    reads = {name: stores[name]["reads"] for name in names}
    empty = {name: reads[name]["an empty query"][1] for name in names}  # type: ignore[call-overload,index]
    print(row.format("an empty query, ms", *(f"{empty[name]:.4f}" for name in names)))
    for place, label in list(enumerate(reads[names[-1]]))[1:]:  # type: ignore[arg-type]
        cells = []
        for name in names:
            first, best = list(reads[name].values())[place]  # type: ignore[union-attr]
            cells.append(f"{first:.2f}, {best:.2f}, {best / empty[name]:,.0f} times")
        print(row.format(f"{label}: ms first, best, of an empty query", *cells))
    print(row.format("start on what is there, ms", *(f"{stores[n]['start']:.0f}" if "start" in stores[n] else "-" for n in names)))  # fmt: skip # noqa: E501
    print(row.format("delete all, ms", *(f"{stores[name]['delete']:,.0f}" for name in names)))


def side_by_side(kinds: list[str], path: Path, folder: Path) -> dict[str, Figures]:
    """Measure stores, each in a process of its own."""
    found = {}
    for kind in kinds:
        url, postgres = {"memory": "memory", "sqlite": f"sqlite:///{folder / 'mail.db'}"}.get(kind, ""), None
        if kind == "postgres":
            make = runpy.run_path(str(TESTS))["PostgresServer"].make
            try:
                postgres = make(durable=True)
            except BaseException as error:  # pytest's own way to leave a test out
                if type(error).__name__ != "Skipped":
                    raise
                print(f"LEFT OUT, {error}", file=sys.stderr)
                continue
            postgres.start()
        try:
            if postgres is not None:
                postgres.make_template()
                url = postgres.url(postgres.take())
            command = [sys.executable, __file__, "--measure", kind, url, str(path)]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            found[kind] = json.loads(done.stdout)
            print(f"measured: {kind}", file=sys.stderr)
        finally:
            if postgres is not None:
                postgres.remove()
    return found


def many(count: int, folder: Path) -> None:
    """What a delivery of 1 KB costs at 10,000 and at the end."""
    store = SQLiteStore(folder / "many.db")
    store._index.usable = False  # type: ignore[union-attr]  # deliveries alone
    raws = (mail(number, 1000) for number in range(count))
    print(
        f"\n| sqlite, mails of 1 KB | CPU of a delivery, ms | of that at {EARLY:,} | time, ms | of that at {EARLY:,} |"
    )
    print("|---|---|---|---|---|")
    at_first = None
    for until in (EARLY, *range(count // 10, count, count // 10), count):
        while (done := store.head()) < until:
            if done == until - LAST:
                began, cpu = time.perf_counter(), time.process_time()
            for _ in range(GROUP - 1):
                store.submit([delivery(BOB, raw=next(raws), scope="")], lambda *_: None)
            store.deliver(delivery(BOB, raw=next(raws), scope=""))
        cost = (time.process_time() - cpu) * 1000 / LAST, (time.perf_counter() - began) * 1000 / LAST
        at_first = at_first or cost
        ratios = [then / now for then, now in zip(cost, at_first, strict=True)]
        print(f"| {until:,} | {cost[0]:.3f} | {ratios[0]:.2f} | {cost[1]:.3f} | {ratios[1]:.2f} |", flush=True)
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("stores", nargs="*", default=[*STORES, "mailpit"])
    given = parser.parse_args()
    if given.measure:
        kind, url, path = given.measure
        print(json.dumps(measure(kind, url, Path(path))))
        return
    folder = Path(tempfile.mkdtemp(prefix="mailtrap-bench-", dir=Path.cwd()))
    try:
        if given.million:
            many(given.count * 10, folder)
            return
        mails = Mails.write(folder / "mails", mixed(given.count))
        octets = (folder / "mails").stat().st_size
        if stores := side_by_side([kind for kind in given.stores if kind in STORES], folder / "mails", folder):
            table(stores, given.count, octets)
        if "mailpit" in given.stores:
            mailpit.compare(folder, folder / "mails", len(mails), last_page(given.count))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
