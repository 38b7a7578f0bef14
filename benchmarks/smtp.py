"""SMTP: messages per second, CPU and memory per message, beside peers in one run, as ratios.

    make bench                       # or: python benchmarks/smtp.py [--quick] [--only mailtrap,aiosmtpd]

Load is Postfix's ``smtp-source``; ``smtp-sink`` of the same package, in C, keeps nothing and is the floor. Peers that
are not installed are left out, and it says so. With one connection server and client share a core, so that the wall
clock is the CPU of a round trip; with 20 connections each has a core of its own.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


class Case(NamedTuple):
    """One load: octets of a message, sessions, whether connections are kept, how many messages."""

    name: str
    size: int
    sessions: int
    keep: bool
    messages: int


CASES = [
    Case("1 KB, one connection", 1024, 1, True, 6000),
    Case("1 KB, new connections", 1024, 1, False, 2500),
    Case("1 KB, 20 connections", 1024, 20, True, 8000),
    Case("1 KB, 20 at a time, new", 1024, 20, False, 3000),
    Case("10 KB, one connection", 10_240, 1, True, 4000),
    Case("10 KB, 20 connections", 10_240, 20, True, 4000),
    Case("1 MB, one connection", 1_048_576, 1, True, 120),
    Case("1 MB, 20 connections", 1_048_576, 20, True, 160),
    Case("25 MB, one connection", 26_214_400, 1, True, 6),
]


class Result(NamedTuple):
    """Messages per second, milliseconds of the server's CPU and octets of resident memory, per message."""

    rate: float
    cpu: float
    memory: float


@contextmanager
def running(target: str, core: int) -> Iterator[tuple[int, int]]:
    """A server on a core: its port and process id."""
    if target == "smtp-sink":
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        process = subprocess.Popen(
            ["smtp-sink", *(["-u", "nobody"] if os.geteuid() == 0 else []), f"127.0.0.1:{port}", "1000"],
            env={"PATH": PATH}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        _await_port(port)
    else:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "targets.py"), target], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        port = int(process.stdout.readline())
    for thread in Path(f"/proc/{process.pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})
    try:
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def _await_port(port: int) -> None:
    deadline = time.monotonic() + 5
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
        else:
            return


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid: int) -> int:
    """Octets of resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def load(port: int, case: Case, messages: int, core: int) -> None:
    """Send so many messages; raises when one was not taken."""
    command = [
        "smtp-source", "-4", "-M", "localhost", "-f", "from@example.com", "-t", "to@example.com", "-S", "bench",
        "-s", str(case.sessions), *(["-d"] if case.keep else []), "-m", str(messages), "-l", str(case.size),
        f"inet:127.0.0.1:{port}",
    ]  # fmt: skip
    subprocess.run(
        command, check=True, env={"PATH": PATH}, capture_output=True, timeout=300,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )  # fmt: skip


def measure(target: str, case: Case, messages: int) -> Result:
    """One run with a fresh server."""
    cores = sorted(os.sched_getaffinity(0))
    server_core, client_core = cores[0], cores[-1] if case.sessions > 1 else cores[0]
    with running(target, server_core) as (port, pid):
        load(port, case, max(case.sessions, min(200, messages // 10)), client_core)
        cpu, memory, begun = cpu_seconds(pid), resident(pid), time.perf_counter()
        load(port, case, messages, client_core)
        wall = time.perf_counter() - begun
        return Result(messages / wall, (cpu_seconds(pid) - cpu) * 1000 / messages, (resident(pid) - memory) / messages)


def available(wanted: list[str] | None) -> list[str]:
    """The peers that are here."""
    found = ["mailtrap"]
    for module in ("aiosmtpd", "smtpdfix"):
        probe = [sys.executable, "-c", f"import {module}"]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            found.append(module)
        else:
            print(f"left out, not installed: {module}", file=sys.stderr)
    found.append("smtp-sink")
    return [name for name in found if wanted is None or name in wanted]


def real_size(size: int) -> int:
    """Octets that a message of ``smtp-source -l size`` has when it has arrived: its header comes on top."""
    from mailtrap import MailServer

    with MailServer(http_port=None) as server:
        load(server.smtp.port, Case("", size, 1, True, 1), 1, max(os.sched_getaffinity(0)))
        (message,) = server.messages
        return len(message.raw)


def table(results: dict[tuple[str, str], Result], targets: list[str], cases: list[Case]) -> Iterator[str]:
    """Markdown: ours, and each peer as a ratio of CPU per message."""
    peers = [target for target in targets if target != "mailtrap"]
    yield (
        "| load | mailtrap msgs/s | CPU ms/msg | memory over raw, octets | "
        + " | ".join(f"CPU of {peer} / ours" for peer in peers)
        + " |"
    )
    yield "|---" * (4 + len(peers)) + "|"
    for case in cases:
        ours = results["mailtrap", case.name]
        ratios = " | ".join(f"{results[peer, case.name].cpu / ours.cpu:.2f}" for peer in peers)
        memory = ours.memory - real_size(case.size)
        yield f"| {case.name} | {ours.rate:,.0f} | {ours.cpu:.3f} | {memory:,.0f} | {ratios} |"


def main() -> None:
    """Run every case for every target, in turns, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a third of the messages, one round")
    parser.add_argument("--only", help="targets, comma-separated")
    parser.add_argument("--cases", help="only cases whose name contains this")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if shutil.which("smtp-source", path=PATH) is None:
        sys.exit("smtp-source is missing: it comes with Postfix")
    targets = available(options.only.split(",") if options.only else None)
    rounds = 1 if options.quick else options.rounds
    results: dict[tuple[str, str], Result] = {}
    cases = [case for case in CASES if not options.cases or options.cases in case.name]
    for case in cases:
        messages = max(case.sessions, case.messages // 3) if options.quick else case.messages
        runs: dict[str, list[Result]] = {target: [] for target in targets}
        for _ in range(rounds):
            for target in targets:  # in turns, so that what else the machine does hits all alike
                runs[target].append(measure(target, case, messages))
        for target, found in runs.items():
            results[target, case.name] = Result(*(median(values) for values in zip(*found, strict=True)))
            rate, cpu, memory = results[target, case.name]
            print(f"{case.name:26} {target:10} {rate:10,.0f}/s {cpu:9.3f} ms {memory:12,.0f} octets", file=sys.stderr)
    if "mailtrap" in targets:
        print("\n".join(table(results, targets, cases)))


if __name__ == "__main__":
    main()
