"""SMTP as good clients speak it: pipelined (RFC 2920) and in chunks (RFC 3030), beside peers in one run, as ratios.

    python benchmarks/sends.py [--quick] [--rounds 5]

``smtp-source`` does neither, so the load is our own, the same for all: one connection, one mail after the other, in as
few writes as the server's EHLO allows. Where a server does not offer an extension the client does without it, as a real
one would, and the table has a star there. Figures are CPU of the server: the client, in Python, is the slower one.
"""

import argparse
import socket
import sys
from collections.abc import Callable, Iterator
from statistics import median
from typing import NamedTuple

import smtp
from processes import busy_seconds, cores


class Case(NamedTuple):
    """One load: octets of a message, how many messages, and how they are sent."""

    name: str
    size: int
    messages: int
    send: "Callable[[Client, bytes, int], None]"
    keywords: frozenset[str]


class Client:
    """One connection.

    Attributes:
        offered: the keywords of the reply to EHLO.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""
        self.replies(1)
        self._socket.sendall(b"EHLO client.example.com\r\n")
        self.offered = {line[4:].strip().partition(b" ")[0].decode().upper() for line in self.replies(1)}

    def send(self, *pieces: bytes) -> None:
        """Send this in one write."""
        self._socket.sendall(b"".join(pieces))

    def replies(self, number: int) -> list[bytes]:
        """The lines of so many replies, each of them positive."""
        lines = []
        while number:
            while b"\n" not in self._unread:
                piece = self._socket.recv(1 << 16)
                if not piece:
                    raise EOFError("the server has ended the connection")
                self._unread += piece
            line, _, self._unread = self._unread.partition(b"\n")
            if line[:1] not in b"23":
                raise ValueError(f"refused: {line!r}")
            lines.append(line)
            number -= line[3:4] != b"-"
        return lines

    def close(self) -> None:
        """Leave."""
        self.send(b"QUIT\r\n")
        self.replies(1)
        self._socket.close()


_FROM = b"MAIL FROM:<from@example.com>\r\n"
_TO = b"RCPT TO:<to@example.com>\r\n"


def plain(client: Client, message: bytes, messages: int) -> None:
    """DATA, a round trip for each command."""
    for _ in range(messages):
        for line in (_FROM, _TO, b"DATA\r\n"):
            client.send(line)
            client.replies(1)
        client.send(message, b".\r\n")
        client.replies(1)


def pipelined(client: Client, message: bytes, messages: int) -> None:
    """DATA, and what comes before it in one write."""
    if "PIPELINING" not in client.offered:
        return plain(client, message, messages)
    for _ in range(messages):
        client.send(_FROM, _TO, b"DATA\r\n")
        client.replies(3)
        client.send(message, b".\r\n")
        client.replies(1)
    return None


def chunked(client: Client, message: bytes, messages: int) -> None:
    """BDAT: a mail is one write."""
    if not {"PIPELINING", "CHUNKING"} <= client.offered:
        return pipelined(client, message, messages)
    for _ in range(messages):
        client.send(_FROM, _TO, b"BDAT %d LAST\r\n" % len(message), message)
        client.replies(3)
    return None


PIPELINING = frozenset({"PIPELINING"})
CHUNKING = frozenset({"PIPELINING", "CHUNKING"})
CASES = [
    Case("1 KB, plain", 1024, 4000, plain, frozenset()),
    Case("1 KB, pipelined", 1024, 6000, pipelined, PIPELINING),
    Case("1 KB, in chunks", 1024, 8000, chunked, CHUNKING),
    Case("100 KB, pipelined", 102_400, 600, pipelined, PIPELINING),
    Case("100 KB, in chunks", 102_400, 600, chunked, CHUNKING),
]


def measure(target: str, case: Case, messages: int) -> tuple[float, bool]:
    """One run with a fresh server: milliseconds of its CPU for each message, and whether it offered what was wanted."""
    header = b"From: from@example.com\r\nTo: to@example.com\r\nSubject: bench\r\n\r\n"
    line = b"x" * 70 + b"\r\n"
    message = header + line * ((case.size - len(header)) // len(line) + 1)
    with smtp.running(target, cores()[0]) as (port, pid):
        client = Client(port)
        case.send(client, message, max(10, messages // 10))
        begun = busy_seconds(pid)
        case.send(client, message, messages)
        spent = busy_seconds(pid) - begun
        client.close()
        return spent * 1000 / messages, case.keywords <= client.offered


def table(rounds: int, share: int, targets: list[str]) -> Iterator[str]:
    """Markdown: ours, and each peer as a ratio of CPU per message."""
    peers = [target for target in targets if target != "mailtrap"]
    yield "| load | mailtrap CPU ms/msg | " + " | ".join(f"CPU of {peer} / ours" for peer in peers) + " |"
    yield "|---" * (2 + len(peers)) + "|"
    for case in CASES:
        runs: dict[str, list[tuple[float, bool]]] = {target: [] for target in targets}
        for _ in range(rounds):
            for target in targets:  # in turns, so that what else the machine does hits all alike
                runs[target].append(measure(target, case, case.messages // share))
        ours = median(spent for spent, _ in runs["mailtrap"])
        cells = [
            f"{median(spent for spent, _ in runs[peer]) / ours:.2f}{'' if runs[peer][0][1] else ' *'}" for peer in peers
        ]
        yield f"| {case.name} | {ours:.3f} | " + " | ".join(cells) + " |"
    yield ""
    yield "\\* without an extension that it does not offer"


def main() -> None:
    """Run every case for every target, in turns, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a quarter of the messages, one round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    targets = smtp.available(None)
    for line in table(1 if options.quick else options.rounds, 4 if options.quick else 1, targets):
        print(line)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
