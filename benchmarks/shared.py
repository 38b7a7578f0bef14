"""Stores side by side: deliveries per second with 1 and 20 senders, and how soon another server on PostgreSQL hears.

    python benchmarks/shared.py [--quick]

All stores are written in turns in one run. SQLite and PostgreSQL wait for the disk at each commit (a server of its own,
started for this, with its defaults), memory does not; each is a ratio of memory's rate. The disk's own rate of syncs
stands beside them. Wall clock, because a commit waits; CPU is this process's, without the database's.
"""

import argparse
import os
import runpy
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from mailtrap.store.base import Store
from mailtrap.store.contract.common import delivery, mail
from mailtrap.store.memory import MemoryStore
from mailtrap.store.postgres import PostgresStore
from mailtrap.store.rows import Key
from mailtrap.store.sqlite import SQLiteStore

TESTS = Path(__file__).parent.parent / "tests/conftest.py"


def deliveries(store: Store, senders: int, each: int) -> tuple[float, float]:
    """Deliveries per second, and milliseconds of CPU for one."""

    def send(sender: int) -> None:
        key = Key("s", f"user-{sender}@example.com")
        for number in range(each):
            store.deliver(delivery(key, raw=mail(number, 1000)))

    send(0)  # caches, prepared statements
    began, cpu = time.perf_counter(), time.process_time()
    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    number = senders * each
    return number / (time.perf_counter() - began), (time.process_time() - cpu) * 1000 / number


def syncs(folder: Path) -> float:
    """How often a second the disk can be made to keep a page."""
    count = 100
    with (folder / "sync").open("wb", buffering=0) as file:
        began = time.perf_counter()
        for _ in range(count):
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
    return count / (time.perf_counter() - began)


def latencies(one: Store, other: Store, count: int) -> list[float]:
    """Milliseconds from when a delivery is answered at one until a subscriber of the other is called."""
    told = threading.Event()
    heard: list[float] = []

    def subscriber(_: object) -> None:
        heard.append(time.perf_counter())
        told.set()

    end = other.subscribe_hints(subscriber)
    found = []
    for number in range(count):
        told.clear()
        one.deliver(delivery(Key("s", "bob@example.com"), raw=mail(number)))
        answered = time.perf_counter()
        told.wait(10)
        found.append((heard[-1] - answered) * 1000)
    end()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    rounds, each = (2, 100) if quick else (5, 300)
    folder = Path(tempfile.mkdtemp(prefix="mailtrap-bench-", dir=Path.cwd()))
    server = runpy.run_path(str(TESTS))["PostgresServer"].make(durable=True)
    server.start()
    try:
        server.make_template()
        stores: dict[str, Callable[[int], Store]] = {
            "memory": lambda _: MemoryStore(),
            "sqlite": lambda turn: SQLiteStore(folder / f"{turn}.db"),
            "postgres": lambda _: PostgresStore(server.url(server.take())),
        }
        print(f"the disk syncs {syncs(folder):.0f} times a second")
        print(f"{'store':10} {'senders':>7} {'per second':>10} {'of memory':>9} {'CPU ms':>7}")
        for senders in (1, 20):
            results: dict[str, list[tuple[float, float]]] = {name: [] for name in stores}
            for turn in range(rounds):
                for name, make in stores.items():
                    store = make(100 * senders + turn)
                    results[name].append(deliveries(store, senders, each if senders == 1 else each // 5))
                    store.close()
            base = median(rate for rate, _ in results["memory"])
            for name, found in results.items():
                rate, cpu = median(rate for rate, _ in found), median(cpu for _, cpu in found)
                print(f"{name:10} {senders:7} {rate:10.0f} {rate / base:9.3f} {cpu:7.3f}")
        url = server.url(server.take())
        one, other = PostgresStore(url), PostgresStore(url)
        found = sorted(latencies(one, other, 100 if quick else 500))
        one.close()
        other.close()
        last = found[len(found) * 99 // 100]
        print(f"another server hears after {median(found):.2f} ms (99 of 100 within {last:.2f} ms)")
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
