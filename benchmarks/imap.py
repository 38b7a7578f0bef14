"""IMAP: a mailbox of 10,000 messages, beside Dovecot and pymap in one run, as ratios.

    python benchmarks/imap.py [--quick] [--pymap /path/to/pymap] [--only NAME] [--operations PART]

What is measured is the server's CPU in milliseconds, all its processes together; of deliveries the wall clock, and of
sessions their memory. The client is a socket and hardly costs; it shares a core with the server. *Cold* is the first
time in the life of a server, *warm* the median of the later ones. Dovecot has its mail in a maildir in memory. pymap is
looked for beside this Python and in PATH; it wants a virtual environment of its own. Whoever is missing is left out,
and it says so.
"""

import argparse
import os
import selectors
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import NamedTuple

import corpus
from dovecot import dovecot
from processes import PATH, await_port, busy_seconds, cores, ended, family, free_port, pin, target

USER = "reader@example.com"
IDLERS = 200
CHANGES = 1000
APPENDS = 300
DELIVERIES = 15
PATIENCE = 20  # seconds for them; three there are in any case
WAITED = ("delivery", "KB")  # rows that are not CPU


class Result(NamedTuple):
    """Milliseconds of the wall clock and of the server's CPU."""

    wall: float
    cpu: float


class Refused(Exception):
    """A command was answered NO or BAD."""


# ---------------------------------------------------------------- the client


class Client:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 300)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(1 << 20)
        self._number = 0
        self.until(b"* OK")
        self.capabilities = self.command(f"LOGIN {USER} secret") and self.words("CAPABILITY", b"* CAPABILITY ")

    def until(self, start: bytes) -> bytes:
        """Read up to a line that begins so, which nothing follows; the end of what came."""
        tail = b""
        while True:
            count = self.socket.recv_into(self._buffer)
            if not count:
                raise ConnectionError("the server left")
            tail = tail[-4096:] + self._buffer[max(0, count - 4096) : count]
            if tail.endswith(b"\r\n"):
                last = tail[tail.rfind(b"\n", 0, -1) + 1 :]
                if last.startswith(start):
                    return tail

    def command(self, line: str) -> bytes:
        """A command; the end of its answer."""
        self._number += 1
        tag = b"t%d " % self._number
        self.socket.sendall(tag + line.encode() + b"\r\n")
        said = self.until(tag)
        if not said[said.rfind(b"\n", 0, -1) + 1 :].startswith(tag + b"OK"):
            raise Refused(f"{line[:60]}: {said[-200:]!r}")
        return said

    def words(self, line: str, start: bytes) -> list[str]:
        """The words of the untagged answer that begins so."""
        for answer in self.command(line).splitlines():
            if answer.startswith(start):
                return answer[len(start) :].decode().split()
        return []

    def append(self, box: str, message: bytes) -> None:
        """One message."""
        self._number += 1
        tag = b"t%d " % self._number
        self.socket.sendall(b"%bAPPEND %b {%d}\r\n" % (tag, box.encode(), len(message)))
        self.until(b"+")
        self.socket.sendall(message + b"\r\n")
        self.until(tag + b"OK")

    def idle(self) -> None:
        """Wait for what happens, from now on."""
        self.socket.sendall(b"i IDLE\r\n")
        self.until(b"+")

    def done(self) -> None:
        """No longer."""
        self.socket.sendall(b"DONE\r\n")
        self.until(b"i OK")

    def close(self) -> None:
        """Say goodbye."""
        self.command("LOGOUT")
        self.socket.close()


# ---------------------------------------------------------------- one session

Operation = tuple[str, str]  # what it is called, the capability it needs

FETCHES = (
    ("FETCH (FLAGS UID)", "FETCH 1:* (FLAGS UID)"),
    ("FETCH (FLAGS UID RFC822.SIZE ENVELOPE)", "FETCH 1:* (FLAGS UID RFC822.SIZE ENVELOPE)"),
    ("FETCH BODYSTRUCTURE", "FETCH 1:* BODYSTRUCTURE"),
    ("FETCH BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)]", "FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)]"),
    ("UID FETCH BODY.PEEK[]", "UID FETCH 1:* BODY.PEEK[]"),
)
SEARCHES = (
    ("SEARCH SUBJECT", "SEARCH SUBJECT invoice"),
    ("SEARCH BODY", "SEARCH BODY quarterlyreport"),
    ("SEARCH TEXT", "SEARCH TEXT quarterlyreport"),
)
SORTS = (
    ("SORT (SUBJECT)", "SORT", "SORT (SUBJECT) UTF-8 ALL"),
    ("SORT (REVERSE DATE)", "SORT", "SORT (REVERSE DATE) UTF-8 ALL"),
    ("THREAD REFERENCES", "THREAD=REFERENCES", "THREAD REFERENCES UTF-8 ALL"),
)


class Session:
    """Measures one server, each operation once."""

    def __init__(self, port: int, pid: int, core: int, wanted: str) -> None:
        self.results: dict[str, Result] = {}
        self._port, self._pid, self._core, self._wanted = port, pid, core, wanted
        self._client = Client(port)
        pin(pid, core)  # a server may have forked for the session

    def timed(self, name: str, operation: Callable[[], object], per: int = 1, needs: str = "") -> None:
        """Measure something that the server offers, per piece."""
        if self._wanted.lower() not in name.lower() or (needs and needs not in self._client.capabilities):
            return
        cpu, begun = busy_seconds(self._pid), time.perf_counter()
        operation()
        wall = time.perf_counter() - begun
        self.results[name] = Result(wall * 1000 / per, (busy_seconds(self._pid) - cpu) * 1000 / per)

    def run(self, odd: bool) -> dict[str, Result]:
        """Everything; ``odd``: in turns, so that flags come and go."""
        client = self._client
        command = client.command
        self.timed("SELECT", lambda: command("SELECT INBOX"))
        command("SELECT INBOX")
        for name, line in (*FETCHES, *SEARCHES):
            self.timed(name, lambda line=line: command(line))  # type: ignore[misc]
        for name, needs, line in SORTS:
            self.timed(name, lambda line=line: command(line), needs=needs)  # type: ignore[misc]
        sign = "-" if odd else "+"
        self.timed("STORE FLAGS.SILENT", lambda: command(rf"STORE 1:* {sign}FLAGS.SILENT (\Flagged)"))
        self.timed("STORE FLAGS", lambda: command(rf"STORE 1:* {sign}FLAGS (\Answered)"))
        self._move()
        self._resynchronize(sign)
        message = next(corpus.messages(1, seed=5))
        for box in ("Appended", "Moved"):
            self._make(box)
        self.timed("APPEND, each", lambda: [client.append("Appended", message) for _ in range(APPENDS)], APPENDS)
        command("SELECT Appended")
        command(r"UID STORE 1:* +FLAGS.SILENT (\Deleted)")  # which there may be none of
        command("CLOSE")
        client.close()
        return self.results

    def _make(self, box: str) -> None:
        with suppress(Refused):  # it is there already
            self._client.command(f"CREATE {box}")

    def _move(self) -> None:
        self._make("Moved")
        command = self._client.command
        self.timed("MOVE", lambda: command("MOVE 1:* Moved"), needs="MOVE")
        if "MOVE" in self.results:
            command("SELECT Moved")
            command("MOVE 1:* INBOX")

    def _resynchronize(self, sign: str) -> None:
        client, name = self._client, f"QRESYNC after {CHANGES} changes"
        if "QRESYNC" not in client.capabilities or self._wanted.lower() not in name.lower():
            return
        client.command("ENABLE QRESYNC")
        said = client.command("SELECT INBOX").decode()
        validity = said.partition("[UIDVALIDITY ")[2].partition("]")[0]
        modseq = said.partition("[HIGHESTMODSEQ ")[2].partition("]")[0]
        first = int(client.words("UID SEARCH 1", b"* SEARCH")[0])
        client.command("UNSELECT")
        other = Client(self._port)
        other.command("SELECT INBOX")
        other.command(rf"UID STORE {first}:{first + CHANGES - 1} {sign}FLAGS.SILENT (\Draft)")
        self.timed(name, lambda: client.command(f"SELECT INBOX (QRESYNC ({validity} {modseq}))"))
        other.close()  # not before: what a process that has ended used is not counted
        client.command("UNSELECT")


# ---------------------------------------------------------------- who waits


def private_octets(pid: int) -> int:
    """What a process and those below it have for themselves, with their share of what they have together."""
    total = 0
    for process in family(pid):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def waiting(port: int, pid: int, core: int) -> dict[str, Result]:
    """From the last octet of an APPEND to EXISTS in sessions that idle; and KB of memory for each of them."""
    results = {}
    sender = Client(port)
    message = next(corpus.messages(1, seed=9))
    idlers: list[Client] = []

    def wait_for(count: int) -> None:
        with selectors.DefaultSelector() as selector:
            while len(idlers) < count:
                idler = Client(port)
                idler.command("SELECT INBOX")
                idler.idle()
                idlers.append(idler)
            pin(pid, core)
            for idler in idlers:
                selector.register(idler.socket, selectors.EVENT_READ, idler)
            firsts, cpus = [], []
            started = time.perf_counter()
            while len(firsts) < (DELIVERIES if time.perf_counter() - started < PATIENCE else 3):
                sender.socket.sendall(b"d APPEND INBOX {%d}\r\n" % len(message))
                sender.until(b"+")
                cpu, begun = busy_seconds(pid), time.perf_counter()
                sender.socket.sendall(message + b"\r\n")
                left = set(idlers)
                while left:
                    for key, _ in selector.select(30):
                        if key.data in left and b"EXISTS" in key.data.socket.recv(65536):
                            left.discard(key.data)
                firsts.append(time.perf_counter() - begun)
                cpus.append(busy_seconds(pid) - cpu)
                sender.until(b"d OK")
                time.sleep(0.05)  # what comes behind EXISTS
                for key, _ in selector.select(0):
                    key.data.socket.recv(65536)
            name = f"delivery to EXISTS, {'one idler' if count == 1 else f'last of {count}'}"
            results[name] = Result(median(firsts) * 1000, median(cpus) * 1000)

    wait_for(1)
    before = private_octets(pid)
    wait_for(IDLERS)
    results["KB of memory per idle session"] = Result((private_octets(pid) - before) / 1024 / (IDLERS - 1), 0)
    for idler in idlers:
        idler.done()
        idler.close()
    sender.command("SELECT INBOX")
    sender.close()
    return results


# ---------------------------------------------------------------- the servers


@contextmanager
def pymap(path: str, count: int, core: int) -> Iterator[tuple[int, int]]:
    """A pymap with the corpus in its memory: port and process id."""
    port = free_port()
    command = [path, "--host", "127.0.0.1", "--port", str(port), "--no-tls", "dict"]
    command += ["--demo-user", USER, "--demo-password", "secret"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with ended(process):
        await_port(port, 20)
        pin(process.pid, core)
        client = Client(port)
        client.command("SELECT INBOX")
        client.command(r"STORE 1:* +FLAGS.SILENT (\Deleted)")  # it comes with some of its own
        client.command("CLOSE")
        for message in corpus.messages(count):
            client.append("INBOX", message)
        client.close()
        yield port, process.pid


@contextmanager
def mailtrap(count: int, core: int) -> Iterator[tuple[int, int]]:
    """Ours, in memory."""
    with target("mailtrap-imap", str(count), core=core) as ((port, *_), pid):
        yield port, pid


def servers(options: argparse.Namespace, count: int, core: int) -> dict[str, Callable[[], object]]:
    """Those that are here."""
    found: dict[str, Callable[[], object]] = {"mailtrap": lambda: mailtrap(count, core)}
    if shutil.which("dovecot", path=PATH) is not None:
        found["Dovecot"] = lambda: dovecot("imap", count, core)
    else:
        print("LEFT OUT, not installed: dovecot (Debian: dovecot-imapd)", file=sys.stderr)
    beside = f"{Path(sys.executable).parent}:{PATH}"
    if (path := options.pymap or shutil.which("pymap", path=beside)) is not None:
        found["pymap"] = lambda: pymap(path, count, core)
    else:
        print("LEFT OUT, not installed: pymap (say where with --pymap)", file=sys.stderr)
    return {name: start for name, start in found.items() if options.only in (None, name)}


# ---------------------------------------------------------------- the table


def table(cold: dict[str, dict[str, Result]], warm: dict[str, dict[str, Result]], count: int) -> Iterator[str]:
    """Markdown: ours in milliseconds, and each peer as a ratio to ours."""
    peers = [name for name in warm if name != "mailtrap"]
    head = "".join(f" {peer} / ours, cold | warm |" for peer in peers)
    yield f"| IMAP, {count:,} messages | cold | warm |{head}"
    yield "|---" * (3 + 2 * len(peers)) + "|"
    for name, ours in warm["mailtrap"].items():
        measured = 0 if name.startswith(WAITED) else 1  # the wall clock, or CPU
        first = cold["mailtrap"].get(name)
        row = f"| {name} | {_figure(first[measured]) if first else '-'} | {_figure(ours[measured])} |"
        for peer in peers:
            theirs, theirs_first = warm[peer].get(name), cold[peer].get(name)
            row += f" {_ratio(theirs_first and theirs_first[measured], first and first[measured])} |"
            row += f" {_ratio(theirs and theirs[measured], ours[measured])} |"
        yield row


def _figure(value: float) -> str:
    return f"{value:,.2f}" if value < 10 else f"{value:,.0f}"


def _ratio(theirs: float | None, ours: float | None) -> str:
    return f"{theirs / ours:,.2f}" if theirs and ours else "-"


def main() -> None:
    """Run every operation on every server, in turns, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2,000 messages, two warm rounds")
    parser.add_argument("--rounds", type=int, default=5, help="warm ones; pymap gets two")
    parser.add_argument("--pymap", help="where it is")
    parser.add_argument("--only", help="one server")
    parser.add_argument("--operations", default="", help="only those whose name contains this")
    options = parser.parse_args()
    count, rounds = (2000, 2) if options.quick else (10_000, options.rounds)
    core, _ = cores()
    os.sched_setaffinity(0, {core})
    cold: dict[str, dict[str, Result]] = {}
    runs: dict[str, list[dict[str, Result]]] = {}
    waits: dict[str, dict[str, Result]] = {}
    with ExitStack() as stack:
        started = {name: stack.enter_context(start()) for name, start in servers(options, count, core).items()}
        for number in range(rounds + 1):
            for name, (port, pid) in started.items():  # in turns, so that what else the machine does hits all alike
                if name == "pymap" and number > 2:
                    continue
                found = Session(port, pid, core, options.operations).run(bool(number % 2))
                if number:
                    runs.setdefault(name, []).append(found)
                else:
                    cold[name] = found
                print(f"round {number} of {name}", file=sys.stderr)
        if not options.operations:
            for name, (port, pid) in started.items():
                waits[name] = waiting(port, pid, core)
    warm = {
        name: {
            operation: Result(*(median(values) for values in zip(*(run[operation] for run in found), strict=True)))
            for operation in found[0]
        }
        | waits.get(name, {})
        for name, found in runs.items()
    }
    if "mailtrap" in warm:
        print("\n".join(table(cold, warm, count)))
    else:
        for name, found in warm.items():
            for operation, result in found.items():
                print(f"{name} {operation}: {result.wall:.2f} ms, CPU {result.cpu:.2f} ms")


if __name__ == "__main__":
    main()
