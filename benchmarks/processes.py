"""Servers that are measured, as processes: started, pinned to a core, asked for CPU and memory, and ended."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HERE = Path(__file__).parent
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
_TICKS = os.sysconf("SC_CLK_TCK")


def cores() -> tuple[int, int]:
    """One for the server and one for the client; the same where there is but one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def pin(pid: int, core: int) -> None:
    """Keep a process with its threads and its children on a core."""
    for process in family(pid):
        for thread in Path(f"/proc/{process}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})


def family(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for parent in found:  # which grows meanwhile
        for thread in Path(f"/proc/{parent}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
                found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and those below it so far, those that have ended included."""
    total = 0
    for process in family(pid):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15]))
    return total / _TICKS


def busy_seconds(pid: int) -> float:
    """The same in nanoseconds' steps, of the threads alive now only: for what takes too short for ``cpu_seconds``."""
    total = 0
    for process in family(pid):
        for thread in Path(f"/proc/{process}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def resident(pid: int) -> int:
    """Octets of resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    """A port of the loopback interface that nobody has now, for servers that cannot take 0."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def await_port(port: int, patience: float = 5.0) -> None:
    """Return when somebody accepts connections there."""
    deadline = time.monotonic() + patience
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


@contextmanager
def ended(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """The process is ended at the end: asked to, and then made to."""
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def target(name: str, *arguments: str, core: int | None = None) -> Iterator[tuple[list[int], int]]:
    """One of ``targets.py``, on a core: its ports and its process id."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "targets.py"), name, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with ended(process):
        assert process.stdout is not None
        ports = [int(word) for word in process.stdout.readline().split()]
        if not ports:
            raise RuntimeError(f"{name} did not start")
        if core is not None:
            pin(process.pid, core)
        yield ports, process.pid


def importable(module: str) -> bool:
    """Whether a peer is installed; says so on stderr where it is not."""
    probe = [sys.executable, "-c", f"import {module}"]
    if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        return True
    print(f"LEFT OUT, not installed: {module}", file=sys.stderr)
    return False
