"""A client that sends mail from a file over so many SMTP connections, kept open, and prints the seconds it took.

    python benchmarks/senders.py PORT FILE FIRST BEHIND CONNECTIONS

It is a process of its own, so that a server has the interpreter and, of two cores, one to itself. Each connection waits
for the answer to each command, as a program that sends does.
"""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from corpus import Mails


class Refused(Exception):
    """A server said no."""


class Connection:
    """One connection to a server."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answer(b"2")
        self.ask(b"EHLO client.example.com\r\n", b"2")

    def _answer(self, expected: bytes) -> None:
        got = b""
        while not got.endswith(b"\n") or got.rpartition(b"\n")[0].rpartition(b"\n")[2][3:4] == b"-":
            part = self._socket.recv(4096)
            if not part:
                raise Refused(got)
            got += part
        if not got.startswith(expected):
            raise Refused(got)

    def ask(self, command: bytes, expected: bytes) -> None:
        """Send something and read the answer to it."""
        self._socket.sendall(command)
        self._answer(expected)

    def send(self, mail: bytes) -> None:
        """One mail."""
        self.ask(b"MAIL FROM:<app@example.com>\r\n", b"2")
        self.ask(b"RCPT TO:<bob@example.org>\r\n", b"2")
        self.ask(b"DATA\r\n", b"3")
        self.ask(mail.replace(b"\r\n.", b"\r\n..") + b".\r\n", b"2")

    def close(self) -> None:
        """Say goodbye."""
        self.ask(b"QUIT\r\n", b"2")
        self._socket.close()


def main() -> None:
    port, path, first, behind, number = int(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:6])
    mails = Mails(path)
    numbers: Iterator[int] = iter(range(first, behind))  # shared: each thread takes the next
    connections = [Connection(port) for _ in range(number)]
    failures: list[BaseException] = []

    def send(connection: Connection) -> None:
        try:
            for each in numbers:
                connection.send(mails[each])
        except (OSError, Refused) as error:
            failures.append(error)

    threads = [threading.Thread(target=send, args=(connection,)) for connection in connections]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    if failures:
        raise failures[0]
    for connection in connections:
        connection.close()
    print(took)


if __name__ == "__main__":
    main()
