"""Kill -9 at random points under load, and look whether every mail that was answered is there, once.

    python benchmarks/faults.py [--times 50] [--seed N] [sqlite] [postgres]

Six threads of a process of its own deliver to two mailboxes and say what was answered; it is killed after a random
number of answers. An SQLite file is then opened again. In PostgreSQL another server delivers meanwhile and goes on.
"""

import argparse
import random
import runpy
import tempfile
import threading
from pathlib import Path

from mailtrap.store.contract.killed import check, killed, line_of
from mailtrap.store.open import open_store

TESTS = Path(__file__).parent.parent / "tests/conftest.py"


def once(url: str, turn: int, answers: int, *, shared: bool) -> list[str]:
    """One process that is killed; what was answered. ``shared``: another server delivers at the same time."""
    if not shared:
        return killed(url, answers, str(turn))
    stop = threading.Event()
    survivor = open_store(url)
    own: list[str] = []

    def deliver() -> None:
        while not stop.is_set() or len(own) % 5:
            own.append(line_of(survivor, f"own-{turn}-{len(own)}"))

    thread = threading.Thread(target=deliver)
    thread.start()
    answered = killed(url, answers, str(turn))
    stop.set()
    thread.join()
    survivor.close()
    return answered + own


def run(kind: str, url: str, times: int, chance: random.Random) -> None:
    """So many kills of one store."""
    answered: list[str] = []
    there = 0
    for turn in range(times):
        answered += once(url, turn, chance.choice([1, 2, 5, 20, 50, 100]), shared=kind == "postgres")
        store = open_store(url)
        there = check(store, answered)
        store.close()
    print(f"{kind}: killed {times} times; {len(answered)} mails were answered, each is there once, beside "
          f"{there - len(answered)} whose answer was lost")  # fmt: skip


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
