"""What compress=zstd saves in an SQLite file, and what it costs: mail of mixed shape, plain and compressed in turns.

python benchmarks/compressed.py [--messages 6000] [--rounds 2]
"""

import argparse
import tempfile
import threading
from pathlib import Path

import corpus

from mailtrap import clock
from mailtrap.store.contract.common import BOB, delivery
from mailtrap.store.sqlite import SQLiteStore

SENDERS = 20


def once(path: Path, mails: list[bytes], compress: bool) -> tuple[float, float, int]:
    """Deliveries a second, microseconds to read one, octets of the file when it is closed."""
    store = SQLiteStore(path, compress=compress)
    waiting, lock = iter(mails), threading.Lock()

    def send() -> None:
        while True:
            with lock:
                raw = next(waiting, None)
            if raw is None:
                return
            store.deliver(delivery(BOB, raw=raw))

    threads = [threading.Thread(target=send) for _ in range(SENDERS)]
    began = clock.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = len(mails) / (clock.monotonic() - began)
    began = clock.monotonic()
    for seq in range(1, len(mails) + 1):
        store.raw(seq)
    read = (clock.monotonic() - began) / len(mails) * 1e6
    store.close()
    return rate, read, path.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    mails = list(corpus.mixed(given.messages))
    print(f"{len(mails)} mails, {sum(map(len, mails)) / 1e6:.1f} MB; {SENDERS} senders")
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(given.rounds):
            for compress in (False, True):
                rate, read, size = once(Path(folder, f"{turn}-{compress}.db"), mails, compress)
                name = "zstd" if compress else "plain"
                print(
                    f"{name}: {rate:.0f} deliveries a second, {read:.0f} us to read one, a file of {size / 1e6:.1f} MB"
                )


if __name__ == "__main__":
    main()
