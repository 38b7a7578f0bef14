"""A server as its users start it, ``mailtrap serve``, and real clients against it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass

import pytest


@dataclass
class Served:
    """A running ``mailtrap serve``: listener to port, and what it printed."""

    ports: dict[str, int]
    process: subprocess.Popen

    def __getattr__(self, listener):
        try:
            return self.ports[listener]
        except KeyError:
            raise AttributeError(listener) from None


@pytest.fixture(scope="session", params=["memory", "sqlite"])
def served(request, tmp_path_factory):
    """One server for all tests of a worker; each test uses addresses of its own."""
    folder = tmp_path_factory.mktemp("serve")
    ports_file = folder / "ports.json"
    store = "memory" if request.param == "memory" else f"sqlite:///{folder}/mail.db"
    command = [sys.executable, "-m", "mailtrap", "serve", "--store", store, "--ports-file", str(ports_file)]
    for name in ("smtp", "smtps", "submission", "lmtp", "pop3", "pop3s", "imap", "imaps", "http"):
        command += [f"--{name}-port", "0"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=folder, text=True)
        try:
            for line in process.stdout:  # the viewer's line is printed last, after the file is written
                if line.startswith("viewer"):
                    break
            else:
                pytest.fail(f"mailtrap serve ended: {(folder / 'log').read_text()}")
            found = json.loads(ports_file.read_text())
            yield Served({name: entry["port"] for name, entry in found.items()}, process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0, (folder / "log").read_text()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.fixture
def client():
    """The path of a real client; the test is skipped, or fails where none may be skipped, when it is missing."""

    def find(name):
        if (path := shutil.which(name)) is not None:
            return path
        if os.environ.get("MAILTRAP_NO_SKIP"):
            pytest.fail(f"{name} is not installed, and no client may be skipped here")
        pytest.skip(f"{name} is not installed")

    return find


@pytest.fixture
def address(request):
    """An address that no other test uses."""
    number = request.node.nodeid.encode().hex()[-24:]
    return f"user-{number}@example.com"


@pytest.fixture
def run():
    """Run a client to its end; its standard output."""

    def run(*command, stdin="", code=0):
        done = subprocess.run([str(word) for word in command], input=stdin, capture_output=True, text=True, timeout=30)
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run
