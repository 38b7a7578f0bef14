"""POP3: reading 10,000 messages, beside Dovecot in one run, as ratios.

    make bench                       # or: python benchmarks/pop3.py [--quick]

The client is a socket and hardly costs. Server and client share a core, so that the wall clock is the CPU of both and
nobody waits to be woken; CPU is the server's alone. Dovecot has its mail in a maildir in memory; where it is not
installed it is left out, and it says so.
"""

import argparse
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median
from typing import NamedTuple

from dovecot import dovecot
from processes import PATH, busy_seconds, cores, pin, target

_END = b"\r\n.\r\n"
_WINDOW = 200  # commands that are under way at once when they are pipelined
_USER = "reader@example.com"


class Result(NamedTuple):
    """Milliseconds of the wall clock and of the server's CPU, and the octets that came."""

    wall: float
    cpu: float
    octets: int


# ---------------------------------------------------------------- the client


class Client:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(1 << 20)
        self._line()

    def _line(self) -> int:
        received = 0
        while True:
            count = self._receive()
            received += count
            if self._buffer[count - 2 : count] == b"\r\n":
                break
        if self._buffer[:3] == b"-ER":
            raise RuntimeError(bytes(self._buffer[:count]))
        return received

    def _receive(self) -> int:
        count = self._socket.recv_into(self._buffer)
        if not count:
            raise ConnectionError("the server left")
        return count

    def command(self, line: str) -> int:
        """A command with a line for an answer; its octets."""
        self._socket.sendall(f"{line}\r\n".encode())
        return self._line()

    def listing(self, lines: bytes, answers: int = 1) -> int:
        """Commands with several lines for an answer, sent at once; the octets of all answers."""
        self._socket.sendall(lines)
        received = 0
        tail = b""
        while answers:
            count = self._receive()
            received += count
            if answers == 1 and count >= len(_END):  # as in nearly every case
                answers -= self._buffer[count - len(_END) : count] == _END
                tail = bytes(self._buffer[count - 4 : count])
            else:
                piece = tail + self._buffer[:count]
                answers -= piece.count(_END)
                tail = piece[-4:]
        return received

    def login(self) -> int:
        """Log in and look how much there is."""
        return self.command(f"USER {_USER}") + self.command("PASS secret") + self.command("STAT")

    def serial(self, count: int) -> int:
        """Read every message, one after the other."""
        return sum(self.listing(b"RETR %d\r\n" % number) for number in range(1, count + 1))

    def pipelined(self, count: int) -> int:
        """Read every message, with many commands under way (RFC 2449, 6.8)."""
        received = 0
        for first in range(1, count + 1, _WINDOW):
            numbers = range(first, min(first + _WINDOW, count + 1))
            received += self.listing(b"".join(b"RETR %d\r\n" % number for number in numbers), len(numbers))
        return received

    def close(self) -> None:
        """Say goodbye."""
        self.command("QUIT")
        self._socket.close()


def measure(port: int, pid: int, core: int, count: int) -> dict[str, Result]:
    """One session, each operation once."""
    results = {}

    def timed(name: str, operation: "object", *arguments: "object") -> None:
        cpu, begun = busy_seconds(pid), time.perf_counter()
        octets = operation(*arguments)  # type: ignore[operator]
        wall = time.perf_counter() - begun
        results[name] = Result(wall * 1000, (busy_seconds(pid) - cpu) * 1000, octets)

    client = Client(port)
    timed("login and STAT", client.login)
    pin(pid, core)  # a server may have forked for the session
    timed("UIDL", client.listing, b"UIDL\r\n")
    timed("LIST", client.listing, b"LIST\r\n")
    timed("RETR of all, serial", client.serial, count)
    timed("RETR of all, pipelined", client.pipelined, count)
    client.close()
    return results


# ---------------------------------------------------------------- the table


def table(results: dict[str, dict[str, Result]], count: int) -> Iterator[str]:
    """Markdown: wall and CPU of each, and the peer's as a ratio to ours."""
    peer = next((name for name in results if name != "mailtrap"), None)
    columns = "| mailtrap ms | CPU ms |" + (f" {peer} ms | CPU ms | {peer} / ours | of CPU |" if peer else "")
    yield f"| POP3, {count:,} messages {columns}"
    yield "|---" * (columns.count("|")) + "|"
    for name, ours in results["mailtrap"].items():
        row = f"| {name} | {ours.wall:,.1f} | {ours.cpu:,.1f} |"
        if peer:
            theirs = results[peer][name]
            row += (
                f" {theirs.wall:,.1f} | {theirs.cpu:,.1f} |"
                f" {theirs.wall / ours.wall:.2f} | {theirs.cpu / ours.cpu:.2f} |"
            )
        yield row


def main() -> None:
    """Run every operation on every server, in turns, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2,000 messages, two rounds")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    count, rounds = (2000, 2) if options.quick else (10_000, options.rounds)
    core, _ = cores()
    os.sched_setaffinity(0, {core})
    with ExitStack() as stack:
        (port, *_), pid = stack.enter_context(target("mailtrap-pop3", str(count), core=core))
        servers = {"mailtrap": (port, pid)}
        if shutil.which("dovecot", path=PATH) is None:
            print("LEFT OUT, not installed: dovecot (Debian: dovecot-pop3d)", file=sys.stderr)
        else:
            servers["Dovecot"] = stack.enter_context(dovecot("pop3", count, core))
        runs: dict[str, list[dict[str, Result]]] = {name: [] for name in servers}
        for number in range(rounds + 1):
            for name, (port, pid) in servers.items():  # in turns, so that what else the machine does hits all alike
                found = measure(port, pid, core, count)
                if number:  # the first was to get warm
                    runs[name].append(found)
    medians = {
        name: {
            operation: Result(*(median(values) for values in zip(*(run[operation] for run in found), strict=True)))
            for operation in found[0]
        }
        for name, found in runs.items()
    }
    for operation in ("RETR of all, serial", "RETR of all, pipelined"):
        octets = {int(found[operation].octets) for found in medians.values()}
        if len(octets) != 1:
            sys.exit(f"not the same mail: {octets} octets of {operation}")
    print("\n".join(table(medians, count)))


if __name__ == "__main__":
    main()
