"""What all tests share."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester"]

# Machines of CI are slow and shared: an example's time says nothing about the code.
settings.register_profile("mailtrap", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mailtrap")


def absent(what):
    """Something a test needs is not there: it is skipped, or fails where none may be skipped."""
    if os.environ.get("MAILTRAP_NO_SKIP"):
        pytest.fail(f"{what}, and nothing may be skipped here")
    pytest.skip(what)


@pytest.fixture(scope="session", name="absent")
def absent_fixture():
    """Says that something a test needs is not there."""
    return absent


class PostgresServer:
    """A PostgreSQL server of the tests' own, on a socket in a folder of its own, run by somebody who is not root."""

    def __init__(self, binaries, folder, as_user):
        self.binaries, self.folder, self.as_user = binaries, folder, as_user
        self.free = []  # databases that a test used, in the newest form

    @classmethod
    def make(cls, durable=False):
        """A new one, not started. ``durable``: what was committed survives a power cut; else it is faster."""
        binaries = cls.find_binaries()
        folder = Path(tempfile.mkdtemp(prefix="mailtrap-pg-", dir="/tmp"))  # a socket's path is short
        as_user = []
        if os.geteuid() == 0:
            user = "postgres" if cls.is_user("postgres") else "nobody"
            shutil.chown(folder, user)
            as_user = ["setpriv", f"--reuid={user}", f"--regid={cls.group_of(user)}", "--clear-groups"]
        server = cls(binaries, folder, as_user)
        server.run("initdb", "--username=mailtrap", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync",
                   "--no-instructions", folder / "data")  # fmt: skip
        (folder / "users").touch()
        options = [
            "listen_addresses = ''", f"unix_socket_directories = '{folder}'", "shared_buffers = 32MB",
            "max_connections = 200",
        ]  # fmt: skip
        if not durable:
            options += ["fsync = off", "full_page_writes = off", "autovacuum = off", "max_wal_size = 4GB"]
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write("\n".join(options))
        return server

    @staticmethod
    def find_binaries():
        found = shutil.which("initdb")
        places = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        for place in reversed(places):
            if (place / "initdb").exists() and (place / "postgres").exists():
                return place
        return absent("PostgreSQL is not installed")

    @staticmethod
    def is_user(name):
        import pwd

        return any(entry.pw_name == name for entry in pwd.getpwall())

    @staticmethod
    def group_of(user):
        import pwd

        return pwd.getpwnam(user).pw_gid

    def command(self, program, *arguments):
        return [*self.as_user, str(self.binaries / program), *map(str, arguments)]

    def run(self, program, *arguments):
        done = subprocess.run(
            self.command(program, *arguments), cwd="/", capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self):
        # its output must not be a pipe: the server would hold it open
        command = self.command("pg_ctl", "start", "-w", "-s", "-D", self.folder / "data", "-l", self.folder / "log")
        done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        assert done.returncode == 0, (self.folder / "log").read_text()

    def stop(self, mode="immediate"):
        self.run("pg_ctl", "stop", "-w", "-s", "-m", mode, "-D", self.folder / "data")

    def remove(self):
        """Stop it and remove its folder."""
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database):
        return f"postgresql:///{database}?{urlencode({'host': self.folder, 'user': 'mailtrap'})}"

    def connect(self, database="postgres"):
        import psycopg

        return psycopg.connect(self.url(database), autocommit=True)

    def take(self):
        """The name of a database that is like new."""
        if self.free:
            name = self.free.pop()
            with self.connect(name) as db:
                wipe(db)
            return name
        name = f"test_{os.getpid()}_{os.urandom(4).hex()}"
        with self.connect() as db:
            db.execute(f"CREATE DATABASE {name} TEMPLATE ours")
        return name

    def make_template(self):
        """The database that all others are copies of."""
        from mailtrap.store.postgres import PostgresStore

        with self.connect() as db:
            db.execute("CREATE DATABASE ours TEMPLATE template0")
        PostgresStore(self.url("ours")).close()


def wipe(db):
    """Bring a store's database to where it began; faster than a new one."""
    found = db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'mailtrap'").fetchall()
    rows_that_stay = {"form", "state", "head", "directory", "indexed"}
    db.execute("; ".join(f"DELETE FROM mailtrap.{name}" for (name,) in found if name not in rows_that_stay))
    db.execute("UPDATE mailtrap.head SET head = 0; UPDATE mailtrap.indexed SET done = 0")
    db.execute("UPDATE mailtrap.state SET life = gen_random_uuid()::text")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory, worker_id):
    """A running server, shared by the processes of this run."""
    if sys.platform == "win32":
        absent("PostgreSQL is not tried on Windows")
    import fcntl

    PostgresServer.find_binaries()
    base = tmp_path_factory.getbasetemp()
    base = base if worker_id == "master" else base.parent
    with (base / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        note = base / "postgres.json"
        server = users = None
        if note.exists():
            binaries, folder, as_user = json.loads(note.read_text())
            server = PostgresServer(Path(binaries), Path(folder), as_user)
            try:
                users = (server.folder / "users").open()
                fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:  # all others were done with it, and it is gone
                if users is not None:
                    users.close()
                users = None
        if users is None:
            server = PostgresServer.make()
            users = (server.folder / "users").open()
            fcntl.flock(users, fcntl.LOCK_SH)
            server.start()
            stop = server.command("pg_ctl", "stop", "-s", "-m", "immediate", "-D", server.folder / "data")
            guard = Path(__file__).with_name("postgres_guard.py")
            # a shell in between, so that it is nobody's child: it outlives the process that started the server
            subprocess.run(
                ["/bin/sh", "-c", '"$@" &', "sh", sys.executable, guard, server.folder, *stop],
                cwd="/",
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            server.make_template()
            note.write_text(json.dumps([str(server.binaries), str(server.folder), server.as_user]))
    yield server
    said = (server.folder / "log").read_text()
    users.close()
    assert "deadlock detected" not in said, "locks were not taken in one order"


@pytest.fixture
def own_postgres():
    """A running server that a test may stop."""
    server = PostgresServer.make()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def database(postgres):
    """The URL of a database that is like new."""
    name = postgres.take()
    yield postgres.url(name)
    postgres.free.append(name)


def _must_not_skip(report):
    """Where everything is installed, a test that misses something is a failure."""
    if os.environ.get("MAILTRAP_NO_SKIP") and report.skipped and "could not import" in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"not skipped, because MAILTRAP_NO_SKIP is set: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return _must_not_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return _must_not_skip((yield))
