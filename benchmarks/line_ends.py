"""What the search for bare line ends costs: milliseconds of CPU per megabyte, beside other ways to look.

    python benchmarks/line_ends.py

It is done to each message where ``bare_newlines`` is ``reject``; 0.7 ms per MB is the most that it may cost.
"""

import re
import time
from collections.abc import Callable

from mailtrap.smtp.data import has_bare

_MEGABYTE = 1024 * 1024
_ROUNDS = 25
_OTHERS = bytes(octet for octet in range(256) if octet not in b"\r\n")
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
WAYS: dict[str, Callable[[bytes], object]] = {
    "has_bare": has_bare,
    "translate and count": lambda raw: len(raw.translate(None, _OTHERS)) != 2 * raw.count(b"\r\n"),
    "count three times": lambda raw: not raw.count(b"\n") == raw.count(b"\r") == raw.count(b"\r\n"),
    "regular expression": _BARE.search,
}
MAILS = {"lines of 76": b"x" * 76 + b"\r\n", "lines of 10": b"x" * 10 + b"\r\n", "no lines": b"x"}


def cost(way: Callable[[bytes], object], raw: bytes) -> float:
    """The least of several rounds, in milliseconds per megabyte."""
    found = []
    for _ in range(_ROUNDS):
        begun = time.process_time()
        way(raw)
        found.append(time.process_time() - begun)
    return min(found) * 1000 * _MEGABYTE / len(raw)


def main() -> None:
    """Print the table."""
    mails = {name: line * (_MEGABYTE // len(line)) for name, line in MAILS.items()}
    print("| ms of CPU per MB | " + " | ".join(mails) + " |")
    print("|---" * (len(mails) + 1) + "|")
    for name, way in WAYS.items():
        print(f"| {name} | " + " | ".join(f"{cost(way, raw):.2f}" for raw in mails.values()) + " |")


if __name__ == "__main__":
    main()
