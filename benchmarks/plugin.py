"""The pytest plugin beside smtpdfix and pytest-localserver in one run, as ratios.

    python benchmarks/plugin.py [--quick] [--rounds N]

Our wheel, pytest and both peers are installed into an environment of their own, in a temporary folder; everything runs
in processes of its own, in turns, with PYTHONDONTWRITEBYTECODE=1 as in a container. Milliseconds are CPU, of user and
system, unless they are said to be of the wall clock: other work on the machine disturbs those less.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PLUGINS = {
    "mailtrap": "pytest_mailtrap.plugin",
    "smtpdfix": "smtpdfix.fixture",
    "localserver": "pytest_localserver.plugin",
}
BLOCKED = {"mailtrap": "mailtrap", "smtpdfix": "smtpd", "localserver": "localserver"}  # names of the entry points

# How a test of each sends a mail and looks at it.
FIXTURE = {"mailtrap": "mailserver", "smtpdfix": "smtpd", "localserver": "smtpserver", "bare": "bare"}
ADDRESS = {
    "mailtrap": "server.smtp.host, server.smtp.port",
    "smtpdfix": "server.hostname, server.port",
    "localserver": "*server.addr",
    "bare": "*server.address",
}
LOOK = {
    "mailtrap": "assert server.message(subject='Hello').subject == 'Hello'",
    "smtpdfix": "assert server.messages[-1]['Subject'] == 'Hello'",
    "localserver": "assert server.outbox[-1]['Subject'] == 'Hello'",
    "bare": "assert email.message_from_bytes(server.kept[-1])['Subject'] == 'Hello'",
}
HEAD = """
import smtplib
RAW = b"From: a@example.com\\r\\nTo: bob@example.com\\r\\nSubject: Hello\\r\\n\\r\\n" + b"words " * 150 + b"\\r\\n"

def send(*address):
    with smtplib.SMTP(*address, local_hostname="localhost") as smtp:
        smtp.sendmail("a@example.com", "bob@example.com", RAW)
"""


class Spent(NamedTuple):
    """Milliseconds of a process."""

    cpu: float
    wall: float
    output: str


class Bench:
    """The environment, and the suites that run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "environment/bin/python"

    def install(self) -> None:
        """Make the environment."""
        wheels = self.folder / "wheels"
        run = subprocess.run
        run([sys.executable, "-m", "build", "--wheel", "--outdir", wheels, ROOT], check=True, capture_output=True)
        run([sys.executable, "-m", "venv", self.folder / "environment"], check=True)
        pip = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, *wheels.glob("*.whl"), "pytest", "smtpdfix", "pytest-localserver"], check=True)

    def python_run(self, source: str, *arguments: str) -> Spent:
        """Run a script."""
        return self._run(["-c", source, *arguments])

    def pytest_run(self, plugin: str, source: str, conftest: str = "") -> Spent:
        """Run a suite with one of the plugins, or with none."""
        suite = self.folder / "test_suite.py"
        suite.write_text(source, "utf-8")
        (self.folder / "conftest.py").write_text(conftest, "utf-8")
        others = [f"-pno:{name}" for kind, name in BLOCKED.items() if kind != plugin]
        return self._run(["-m", "pytest", "-q", "-s", "-pno:cacheprovider", *others, suite])

    def _run(self, arguments: list[str | Path]) -> Spent:
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        for name in ("PYTEST_ADDOPTS", "PYTHONPATH"):
            environment.pop(name, None)
        begun = time.perf_counter()
        process = subprocess.Popen(
            [self.python, *arguments], cwd=self.folder, env=environment, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{arguments} failed:\n{output}")
        return Spent((usage.ru_utime + usage.ru_stime) * 1000, wall * 1000, output)


# ---------------------------------------------------------------- what is measured

LOADING = """
import sys, time
from _pytest.config import get_config
config = get_config([])
begun = time.process_time()
config.pluginmanager.import_plugin(sys.argv[1])
print((time.process_time() - begun) * 1000)
"""

FIRST = """
def test_it({fixture}):
    import time
    {sending}
    print("at", time.time())
"""

# Tests with and without the fixture, mixed, so that whatever else the machine does comes to both.
EMPTY = """
import pytest

number = pytest.mark.parametrize("number", range({number}))

@number
def test_without(number):
    pass

@number
def test_with({fixture}, number):
    pass
"""

TIMED = """
import random, time
from statistics import median
import pytest

spent = {"test_without": [], "test_with": []}

def pytest_collection_modifyitems(items):
    random.shuffle(items)

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    begun = time.process_time()
    result = yield
    spent[item.originalname].append(time.process_time() - begun)
    return result

def pytest_unconfigure():
    print("took", (median(spent["test_with"]) - median(spent["test_without"])) * 1000)
"""

SENDING = """
import time

def test_it({fixture}):
    server = {fixture}
    spent = []
    for number in range({number}):
        if hasattr(server, "clear"):
            server.clear()
        begun = time.perf_counter(), time.process_time()
        send({address})
        {look}
        spent.append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
    from statistics import median
    print("took", *(median(part) * 1000 for part in zip(*spent)))
"""

SUITE = """
import pytest

@pytest.mark.parametrize("number", range({number}))
def test_it({fixture}, number):
    server = {fixture}
    send({address})
    {look}
"""

# What no server in the process can beat: a thread for which the answer to everything is known, and that keeps nothing
# but the mail. It has no scopes, waits for nothing, and would take one client at a time.
BARE = """
import email, socket, threading
import pytest

ANSWERS = {b"ehlo": b"250-bare\\r\\n250 SMTPUTF8\\r\\n", b"data": b"354 go on\\r\\n", b"QUIT": b"221 bye\\r\\n"}

class Bare:
    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = self.listening.getsockname()
        self.kept = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            with self.listening.accept()[0] as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.sendall(b"220 bare\\r\\n")
                while line := client.recv(65536):
                    client.sendall(ANSWERS.get(line[:4], b"250 ok\\r\\n"))
                    if line[:4] == b"data":
                        mail = b""
                        while not mail.endswith(b"\\r\\n.\\r\\n"):
                            mail += client.recv(65536)
                        self.kept.append(mail)
                        client.sendall(b"250 ok\\r\\n")

@pytest.fixture(scope="session")
def server_of_the_run():
    return Bare()

@pytest.fixture
def bare(server_of_the_run):
    server_of_the_run.kept.clear()
    return server_of_the_run
"""

# From the commit to a thread that waits for it, where another thread needs the interpreter meanwhile: the one that has
# committed and goes on ("itself"), or a third ("third"). Who gets the interpreter when it is given up is left to chance
# by CPython, and who misses it waits for the whole switch interval of 5 ms, which is the program's to set and not ours.
# So beside a third thread this is a toss, and LOCKS is what comes of the same with one lock and nothing else.
WAKING = """
import sys, threading, time
from statistics import median
from mailtrap import MailServer

busy = sys.argv[1]
server = MailServer(timeout=30)
stop, spent, ring = False, [], server.bell.ring

def loop():
    while not stop:
        pass

if busy == "third":
    threading.Thread(target=loop, daemon=True).start()

for number in range(int(sys.argv[2])):
    committed, woken = [], []

    def wait():
        server.message(subject=str(number), origin="deliver")
        woken.append(time.perf_counter())

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not server.bell._waiting:
        time.sleep(0)
    server.bell.ring = lambda: (committed.append(time.perf_counter()), ring())
    server.deliver(b"Subject: %d\\r\\n\\r\\n" % number, recipients="bob@example.com")
    while busy == "itself" and not woken:
        pass
    waiting.join()
    server.bell.ring = ring
    server.clear()
    spent.append((woken[0] - committed[0]) * 1e6)
stop = True
print(median(spent))
"""

LOCKS = """
import sys, threading, time
from statistics import median

stop, spent = False, []

def loop():
    while not stop:
        pass

threading.Thread(target=loop, daemon=True).start()

for number in range(int(sys.argv[2])):
    lock, woken = threading.Lock(), []
    lock.acquire()

    def wait():
        lock.acquire(timeout=30)
        woken.append(time.perf_counter())

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.001)
    committed = time.perf_counter()
    lock.release()
    time.sleep(0)
    waiting.join()
    spent.append((woken[0] - committed) * 1e6)
stop = True
print(median(spent))
"""


def measure(rounds: int, cases: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The median of each, measured in turns."""
    found: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            found[name].append(case())
    return {name: median(values) for name, values in found.items()}


def row(what: str, found: dict[str, float], ours: str = "mailtrap") -> None:
    """A line of the table."""
    own = found[ours]
    cells = [f"{own:.2f}"]
    cells += [f"{found[name] / own:.1f}" if name in found else "-" for name in ("smtpdfix", "localserver")]
    print(f"| {what} | {' | '.join(cells)} |", flush=True)


def first(bench: Bench, plugin: str) -> float:
    """Seconds of the wall clock from the start of the process to the first 250, or to the body of a test."""
    name = FIXTURE.get(plugin, "request")
    sending = f"server = {name}; send({ADDRESS[plugin]})" if plugin in ADDRESS else "pass"
    begun = time.time()
    output = bench.pytest_run(plugin, HEAD + FIRST.format(fixture=name, sending=sending)).output
    return (float(output.partition("at ")[2].split()[0]) - begun) * 1000


def sending(bench: Bench, plugin: str, number: int, look: str, column: int) -> float:
    """Milliseconds of one mail over a new connection."""
    source = HEAD + SENDING.format(fixture=FIXTURE[plugin], address=ADDRESS[plugin], look=look, number=number)
    return float(bench.pytest_run(plugin, source).output.partition("took ")[2].split()[column])


def suite(bench: Bench, plugin: str, number: int) -> Spent:
    """So many tests of one mail each."""
    head = HEAD + (BARE if plugin == "bare" else "")
    source = head + SUITE.format(fixture=FIXTURE[plugin], address=ADDRESS[plugin], look=LOOK[plugin], number=number)
    return bench.pytest_run(plugin, source)


def fixture(bench: Bench, plugin: str, number: int) -> float:
    """What an empty test that asks for the fixture takes longer than one that does not."""
    source = EMPTY.format(fixture=FIXTURE[plugin], number=number)
    return float(bench.pytest_run(plugin, source, TIMED).output.partition("took ")[2].split()[0])


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round, few tests")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rounds = 1 if options.quick else options.rounds
    number, tests = 100 if options.quick else 1000, 1000  # the start of pytest would hide what few tests take
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        bench.install()
        print("| | mailtrap, ms | smtpdfix / mailtrap | pytest-localserver / mailtrap |\n|---|---|---|---|")
        row("plugin loaded, unused", measure(4 * rounds, {
            name: lambda module=module: float(bench.python_run(LOADING, module).output)
            for name, module in PLUGINS.items()
        }))  # fmt: skip
        row("`pytest` to the first 250, wall clock", measure(2 * rounds, {
            name: lambda name=name: first(bench, name) for name in PLUGINS
        }))  # fmt: skip
        row("smtplib to a new connection, and `message()`, against the peers' sending alone", measure(rounds, {
            name: lambda name=name: sending(bench, name, number // 4, LOOK[name] if name == "mailtrap" else "pass", 1)
            for name in PLUGINS
        }))  # fmt: skip
        row("the same, wall clock", measure(rounds, {
            name: lambda name=name: sending(bench, name, number // 4, LOOK[name] if name == "mailtrap" else "pass", 0)
            for name in PLUGINS
        }))  # fmt: skip
        for what, wall in (("", False), (", wall clock", True)):
            found = measure(max(1, rounds // 2), {
                name: lambda name=name, wall=wall: suite(bench, name, tests)[wall] for name in (*PLUGINS, "bare")
            })  # fmt: skip
            row(f"a suite of {tests} tests of one mail each{what}", found)
            row("for comparison: the same with a server that only answers, which none can beat", found, "bare")
        row("the fixture, for each test", measure(rounds, {
            name: lambda name=name: fixture(bench, name, number) for name in PLUGINS
        }))  # fmt: skip
        body = measure(2 * rounds, {"bare": lambda: first(bench, "none")})
        print(f"| for comparison: `pytest` alone to the body of a test, wall clock | {body['bare']:.0f} | - | - |")
        cases = {
            "commit to the waiting test": (WAKING, "nobody"),
            "the same, while the thread that has committed goes on working": (WAKING, "itself"),
            "the same, while a third thread only works": (WAKING, "third"),
            "for comparison: one lock and nothing else, while a third thread only works": (LOCKS, "third"),
        }
        woken = measure(2 * rounds, {
            what: lambda script=script, busy=busy: float(bench.python_run(script, busy, "100").output)
            for what, (script, busy) in cases.items()
        })  # fmt: skip
        for what, value in woken.items():
            print(f"| {what}, median, wall clock | {value / 1000:.3f} | - | - |")


if __name__ == "__main__":
    main()
