"""What goes wrong around a test: each is one clear message, and no thread, socket or file is left."""

import os

import pytest

LEFT = """
import gc, os, pathlib, socket, tempfile, threading

TEMPORARY = pathlib.Path(tempfile.gettempdir())
BEFORE = set(TEMPORARY.iterdir())

def pytest_unconfigure(config):
    gc.collect()
    threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    sockets = [o for o in gc.get_objects() if isinstance(o, socket.socket) and o.fileno() >= 0]
    files = [path.name for path in set(TEMPORARY.iterdir()) - BEFORE]
    print("left behind:", threads, sockets, files)
"""
NOTHING = "left behind: [[][]] [[][]] [[][]]"


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("TEMP", str(folder))


def test_a_port_that_is_taken(run):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run(
            "def test_it(mailserver): pass\ndef test_again(mailserver): pass",
            ini=f"mailtrap_http_port = {port}", conftest=LEFT, subprocess=True,
        )  # fmt: skip
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines([f"E *PortInUse: *http*{port}*", NOTHING])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("{'store': 'sqlite:////nowhere/at/all/mail.db'}", "E *StoreError*"),
        ("{'tls_cert': 'nowhere.pem', 'tls_key': 'nowhere.pem'}", "E *ConfigError*nowhere.pem*"),
        ("{'store': 'carrier-pigeon:'}", "E *ConfigError*carrier-pigeon*"),
        ("{'host': '192.0.2.1'}", "E *192.0.2.1*"),
    ],
)
def test_a_server_that_does_not_start(run, settings, says):
    result = run(
        """
        def test_it(mailserver):
            mailserver.ssl_context()
        """,
        conftest=LEFT
        + f"""
import pytest

@pytest.fixture(scope="session")
def mailtrap_config():
    return {settings}
""",
        subprocess=True,
    )
    outcomes = result.parseoutcomes()
    assert outcomes.get("errors", 0) + outcomes.get("failed", 0) + outcomes.get("error", 0) == 1
    result.stdout.fnmatch_lines([says])
    result.stdout.fnmatch_lines([NOTHING])


def test_an_exception_in_each_hook(run):
    result = run(
        """
        import smtplib
        import pytest
        from helpers import send

        def test_told(mailserver):
            send(mailserver)

        def test_refused(mailserver):
            with pytest.raises(smtplib.SMTPException):
                send(mailserver, subject="X-Break")
        """,
        conftest=LEFT
        + """
import mailtrap
import pytest

class Broken:
    @mailtrap.hookimpl
    def mailtrap_before_message(self, raw):
        if b"X-Break" in raw:
            raise ValueError("of the server's hook")

@pytest.fixture(scope="session")
def mailtrap_config():
    return {"plugins": [Broken()]}

def pytest_mailtrap_message(item, message):
    raise LookupError("of pytest's hook")
""",
        subprocess=True,
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["E *LookupError: of pytest's hook", "*ServerError*of the server's hook*", NOTHING])


def test_an_exception_in_the_configuring_hook(run):
    result = run(
        "def test_it(mailserver): pass",
        conftest=LEFT + "def pytest_mailtrap_configure(config, server):\n    raise LookupError('not configured')\n",
        subprocess=True,
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *LookupError: not configured", NOTHING])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_without_exec(run):
    # since 3.12 a fork beside threads is warned of, whoever's threads they are
    result = run(FORKING, "-Wignore::DeprecationWarning", conftest=LEFT, subprocess=True)
    result.stdout.fnmatch_lines(["*1 passed*", NOTHING])


FORKING = """
        import os
        import smtplib
        from helpers import send
        from mailtrap import MailtrapError

        def tell(look):
            try:
                return str(look())
            except MailtrapError as error:
                return str(error)

        def test_it(mailserver):
            reading, writing = os.pipe()
            child = os.fork()
            if not child:
                said = b"nothing"
                try:
                    send(mailserver, subject="of the child")      # its ports are the parent's
                    said = b"; ".join(tell(look).encode() for look in (
                        lambda: mailserver.message(subject="another", timeout=5), lambda: mailserver.messages,
                        lambda: mailserver.wait_for_command("IDLE", timeout=5),
                        lambda: mailserver.assert_no_message(within=5),
                    ))
                finally:
                    os.write(writing, said)
                    os._exit(0)
            os.waitpid(child, 0)
            os.close(writing)
            with os.fdopen(reading, "rb") as pipe:
                said = pipe.read().decode()
            assert said.count("in the parent alone") == 4, said
            assert mailserver.message().subject == "of the child"
            send(mailserver, subject="of the parent")
            assert mailserver.latest().subject == "of the parent"
"""


def test_mail_after_teardown_leaves_nothing(run):
    result = run(
        """
        import smtplib
        import pytest
        from helpers import send

        @pytest.fixture(scope="session")
        def address(mailtrap_server):
            found = {}
            yield found
            send(mailtrap_server, to=found["bob"], subject="too late")
            with pytest.raises(OSError):
                smtplib.SMTP("127.0.0.1", found["own"], timeout=10)

        def test_first(address, mailserver):
            address["bob"] = mailserver.address("bob")

        @pytest.mark.mailtrap(hostname="own.test")
        def test_own(address, mailserver):
            address["own"] = mailserver.smtp.port
        """,
        conftest=LEFT,
        subprocess=True,
    )
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*LateMailWarning*too late*test_first was over*", NOTHING])


@pytest.mark.parametrize("end", ["pytest.exit('enough')", "os._exit(3)", "raise SystemExit(3)"])
def test_the_run_ends_in_the_middle(run, end):
    """Nothing waits for us: threads are daemons, and no file is ours."""
    result = run(
        f"""
        import os
        import pytest
        from helpers import send

        def test_it(mailserver):
            send(mailserver)
            mailserver.http
            {end}
        """,
        conftest=LEFT,
        subprocess=True,
    )
    if "_exit" in end:
        assert result.ret == 3
    else:
        result.stdout.fnmatch_lines([NOTHING])
