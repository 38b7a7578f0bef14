"""Mailpit beside ``mailtrap serve``, both on an SQLite file, over SMTP and HTTP.

Mailpit is the one on the PATH, or else ``go install`` makes it; where there is no Go either it is left out, and that
is said. Both get the same mail from the same client (``senders.py``), in slices in turns, and the same requests: ours
serves Mailpit's interface. Mailpit's 250 is for mail that a power cut may still lose (``synchronous = NORMAL``); ours
is on the disk by then.
"""

import compileall
import http.client
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from corpus import SOUGHT
from processes import HERE, await_port, cpu_seconds, ended, free_port, resident

MODULE = "github.com/axllent/mailpit@latest"
PAGE = 50
SENDERS = 20
SLICES = 10
QUIET = 1.0  # seconds of a process without work, after which it is taken to have none left


def binary(folder: Path) -> Path | None:
    """Mailpit's program; None where there is none and it cannot be made."""
    if found := shutil.which("mailpit"):
        return Path(found)
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if go is None:
        print("LEFT OUT, neither installed nor is Go: mailpit", file=sys.stderr)
        return None
    print("go install mailpit, which takes some minutes", file=sys.stderr)
    own = {"GOBIN": str(folder / "bin"), "GOPATH": str(folder / "go"), "GOCACHE": str(folder / "cache")}
    own["GOFLAGS"] = "-modcacherw"  # else the folder cannot be removed
    done = subprocess.run([go, "install", MODULE], env=os.environ | own, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"LEFT OUT, go install failed: mailpit\n{done.stderr}", file=sys.stderr)
        return None
    return folder / "bin" / "mailpit"


@dataclass
class Target:
    """A server: how it is started, and where it listens."""

    name: str
    command: list[str]
    smtp: int
    http: int
    pid: int = 0

    @contextmanager
    def running(self) -> Iterator[float]:
        """Start it; milliseconds until it answers over HTTP."""
        began = time.perf_counter()
        process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with ended(process):
            self.pid = process.pid
            await_port(self.http, 60)
            self.ask("GET", "/livez")
            yield (time.perf_counter() - began) * 1000

    def ask(self, method: str, path: str) -> tuple[bytes, float]:
        """The answer to a request on a new connection, and the milliseconds it took."""
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=300)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{self.name}: {method} {path}: {answer.status}\n{body[:200]!r}")
        return body, (time.perf_counter() - began) * 1000

    def send(self, mails: Path, first: int, behind: int, senders: int) -> tuple[float, float]:
        """Mails a second, and milliseconds of the server's CPU for one."""
        cpu = cpu_seconds(self.pid)
        command = [sys.executable, HERE / "senders.py", self.smtp, mails, first, behind, senders]
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, check=True)
        number = behind - first
        return number / float(done.stdout), (cpu_seconds(self.pid) - cpu) * 1000 / number


def targets(folder: Path, program: Path) -> list[Target]:
    """Both servers, not started."""
    smtp, web = free_port(), free_port()
    ours = [sys.executable, "-m", "mailtrap", "serve", "--store", f"sqlite:///{folder / 'served.db'}"]
    ours += ["--max-messages", "0", "--max-bytes", "0", "--smtp-port", str(smtp), "--http-port", str(web)]
    for other in ("smtps", "submission", "lmtp", "pop3", "pop3s", "imap", "imaps"):
        ours += [f"--{other}-port", ""]
    found = [Target("mailtrap", ours, smtp, web)]
    smtp, web = free_port(), free_port()
    theirs = [
        str(program),
        "--database",
        str(folder / "mailpit.db"),
        "--max",
        "0",
        "--quiet",
        "--disable-version-check",
    ]
    theirs += ["--smtp", f"127.0.0.1:{smtp}", "--listen", f"127.0.0.1:{web}", "--smtp-disable-rdns"]
    return [*found, Target("mailpit", theirs, smtp, web)]


def settle(target: Target, file: Path) -> float:
    """Wait until a server has nothing to do; seconds. Ours: until its index knows all."""
    began = time.perf_counter()
    index = Path(f"{file}-search")
    while target.name == "mailtrap":
        with sqlite3.connect(index, timeout=10) as db, sqlite3.connect(file, timeout=10) as mail:
            (done,), (head,) = (d.execute(q).fetchone() for d, q in ((db, "SELECT done FROM state"), (mail, "SELECT head FROM state")))  # fmt: skip # noqa: E501
        if done >= head:
            break
        time.sleep(0.5)
    while True:
        before = cpu_seconds(target.pid)
        time.sleep(QUIET)
        if cpu_seconds(target.pid) - before < 0.1 * QUIET:
            return time.perf_counter() - began


def requests(page: int) -> dict[str, str]:
    """What is asked for."""
    found = {
        "first page": f"/api/v1/messages?limit={PAGE}",
        f"page {page:,}": f"/api/v1/messages?limit={PAGE}&start={(page - 1) * PAGE}",
        "unread count": "/api/v1/messages?limit=1",
    }
    found |= {f"search of {n}": f"/api/v1/search?limit={PAGE}&query={quote(query)}" for n, query in SOUGHT.items()}
    return found | {"search of a word in no mail": f"/api/v1/search?limit={PAGE}&query=zebra"}


def read(target: Target, page: int) -> dict[str, list[float]]:
    """The first and the best of five times of each request, and what it found."""
    found = {"a request that asks nothing": [0.0, min(target.ask("GET", "/livez")[1] for _ in range(50)), 0]}
    for name, path in requests(page).items():
        body, first = target.ask("GET", path)
        answer: dict[str, Any] = json.loads(body)
        number = answer["unread"] if name == "unread count" else answer["messages_count"]
        best = min(target.ask("GET", path)[1] for _ in range(1 if first > 3000 else 5))
        found[name] = [first, best, number]
    return found


def compare(folder: Path, mails: Path, count: int, page: int) -> None:
    """Fill both, ask both, and print one table."""
    kept = Path(tempfile.mkdtemp(prefix="mailpit-", dir=folder))
    program = binary(kept)
    if program is None:
        return
    both = targets(folder, program)
    compileall.compile_dir(str(HERE.parent / "src"), quiet=1)  # as whoever installs it does
    rates: dict[tuple[str, int], list[tuple[float, float]]] = {}
    rows: dict[str, list[str]] = {}
    memory, waited, reads, started, deleted = {}, {}, {}, {}, {}
    with both[0].running(), both[1].running():
        before = {target.name: resident(target.pid) for target in both}
        alone = min(1_000, count // 10)
        bounds = [0, alone, *(alone + (count - alone) * each // SLICES for each in range(1, SLICES + 1))]
        for number, (first, behind) in enumerate(pairwise(bounds)):
            for target in both if number % 2 else reversed(both):
                senders = SENDERS if number else 1
                rates.setdefault((target.name, senders), []).append(target.send(mails, first, behind, senders))
            print(f"delivered: {behind:,}", file=sys.stderr)
        for target in both:
            file = folder / ("served.db" if target.name == "mailtrap" else "mailpit.db")
            waited[target.name] = settle(target, file)
            memory[target.name] = max(0, resident(target.pid) - before[target.name]) / count
        for target in both:
            reads[target.name] = read(target, page)
    for target in both:
        with target.running() as took:
            started[target.name] = took
            deleted[target.name] = target.ask("DELETE", "/api/v1/messages")[1]

    ours, theirs = (target.name for target in both)
    print(f"\n| {count:,} mails, over SMTP and HTTP | {ours} | {theirs} | {theirs} / {ours} |\n|---|---|---|---|")
    for senders, label in ((1, "1 connection"), (SENDERS, f"{SENDERS} connections")):
        (rate, cpu), (other, other_cpu) = (
            tuple(median(values) for values in zip(*rates[name, senders], strict=True)) for name in (ours, theirs)
        )
        print(f"| mails a second, {label} | {rate:,.0f} | {other:,.0f} | {other / rate:.2f} |")
        print(f"| CPU of the server for each, ms | {cpu:.3f} | {other_cpu:.3f} | {other_cpu / cpu:.2f} |")
    rows["memory for each mail, octets"] = [f"{memory[name]:,.0f}" for name in (ours, theirs)] + ["-"]
    rows["busy after the last mail, s"] = [f"{waited[name]:.0f}" for name in (ours, theirs)] + ["-"]
    for label, (first, best, number) in reads[ours].items():
        first_, best_, number_ = reads[theirs][label]
        note = "" if number == number_ else f" (found {number:,.0f} and {number_:,.0f})"
        rows[f"{label}{note}: ms first, best"] = [f"{first:.1f}, {best:.1f}", f"{first_:.1f}, {best_:.1f}", f"{first_ / first if first else 1:.2f}, {best_ / best:.2f}"]  # fmt: skip # noqa: E501
    for label, found in (("start on what is there, ms", started), ("delete all, ms", deleted)):
        rows[label] = [f"{found[ours]:,.0f}", f"{found[theirs]:,.0f}", f"{found[theirs] / found[ours]:.2f}"]
    for label, cells in rows.items():
        print(f"| {label} | {' | '.join(cells)} |")
