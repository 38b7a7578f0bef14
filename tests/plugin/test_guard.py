"""``--mailtrap-block-smtp``: no test reaches a mail port of another host. Nothing here leaves the machine."""

import pytest

from pytest_mailtrap.guard import is_here

BLOCK = "--mailtrap-block-smtp"


def test_each_way_to_connect_and_each_port(run):
    """The addresses are nobody's (RFC 5737, RFC 3849)."""
    result = run(
        """
        import asyncio
        import smtplib
        import socket
        import pytest

        async def by_asyncio(host, port):
            await asyncio.wait_for(asyncio.open_connection(host, port), 1)

        async def by_its_socket(host, port):
            with socket.socket() as sock:
                sock.setblocking(False)
                await asyncio.wait_for(asyncio.get_running_loop().sock_connect(sock, (host, port)), 1)

        WAYS = {
            "create_connection": lambda host, port: socket.create_connection((host, port), 1),
            "connect": lambda host, port: socket.socket().connect((host, port)),
            "connect_ex": lambda host, port: socket.socket().connect_ex((host, port)),
            "smtplib": lambda host, port: smtplib.SMTP(host, port, timeout=1),
            "SMTP_SSL": lambda host, port: smtplib.SMTP_SSL(host, port, timeout=1),
            "asyncio": lambda host, port: asyncio.run(by_asyncio(host, port)),
            "sock_connect": lambda host, port: asyncio.run(by_its_socket(host, port)),
        }

        @pytest.mark.parametrize("way", WAYS)
        def test_way(way):
            WAYS[way]("192.0.2.1", 587)

        @pytest.mark.parametrize("port", [25, 465, 587, 2525])
        def test_port(port):
            socket.socket().connect(("192.0.2.1", port))

        def test_ipv6():
            socket.socket(socket.AF_INET6).connect(("2001:db8::1", 25))

        def test_name():
            socket.socket().connect(("smtp.example.com", 25))

        def test_in_a_thread():
            import threading
            thread = threading.Thread(target=WAYS["connect_ex"], args=("192.0.2.1", 25))
            thread.start()
            thread.join()
        """,
        BLOCK, "-Wignore::pytest.PytestUnhandledThreadExceptionWarning", "-Wignore::ResourceWarning",
        "-Wignore::pytest.PytestUnraisableExceptionWarning", subprocess=True,
    )  # fmt: skip
    result.assert_outcomes(failed=14)
    result.stdout.fnmatch_lines(
        ["E *BlockedConnection: test_it.py::test_way?create_connection? connects to 192.0.2.1:587, a mail port of *"]
    )
    result.stdout.fnmatch_lines(["*test_in_a_thread connects to 192.0.2.1:25*"])


def test_what_is_allowed(run):
    run(
        """
        import contextlib
        import smtplib
        import socket
        from helpers import send

        def test_it(mailserver):
            send(mailserver)
            with contextlib.suppress(OSError):  # nobody may listen there
                socket.create_connection(("localhost", 2525), 1).close()
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.2", 25), 1).close()
            with contextlib.suppress(OSError):
                socket.create_connection((socket.gethostname(), 25), 1).close()
            with socket.socket() as sock, contextlib.suppress(OSError):
                sock.settimeout(0)
                sock.connect(("192.0.2.1", 80))
        """,
        BLOCK,
    ).assert_outcomes(passed=1)


def test_a_program_that_catches_everything_fails_its_test_all_the_same(run):
    result = run(
        """
        import smtplib
        import pytest

        def notify():
            try:
                smtplib.SMTP("192.0.2.1", 25, timeout=1)
            except Exception:
                pass

        def test_call(mailserver):
            notify()

        def test_why(mailserver):
            notify()
            mailserver.message(timeout=0)

        @pytest.fixture
        def app():
            notify()
            yield

        def test_setup(app):
            pass

        @pytest.fixture
        def closing():
            yield
            notify()

        def test_teardown(closing):
            pass

        def test_innocent(mailserver):
            pass
        """,
        BLOCK, "-Wignore::ResourceWarning", "-Wignore::pytest.PytestUnraisableExceptionWarning", subprocess=True,
    )  # fmt: skip
    result.assert_outcomes(failed=2, errors=2, passed=2)
    result.stdout.fnmatch_lines(
        [
            "E *BlockedConnection: test_it.py::test_call connects to 192.0.2.1:25*: mail is for mailserver.smtp, 127.*",
            "E *MessageNotFound*", "E *test_it.py::test_why connects to 192.0.2.1:25*",
        ],
    )  # fmt: skip
    result.stdout.fnmatch_lines(["*ERROR at setup of test_setup*", "*ERROR at teardown of test_teardown*"])


def test_outside_of_tests(run):
    result = run(
        """
        import socket
        socket.socket().connect(("192.0.2.1", 25))

        def test_it():
            pass
        """,
        BLOCK, "-Wignore::ResourceWarning", "-Wignore::pytest.PytestUnraisableExceptionWarning", subprocess=True,
    )  # fmt: skip
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *BlockedConnection: code outside of all tests connects to 192.0.2.1:25*"])


def test_by_ini_and_not_at_all(run):
    source = """
        import socket
        import pytest

        def test_it():
            with socket.socket() as sock:
                sock.settimeout(0)
                try:
                    sock.connect(("192.0.2.1", 25))
                except OSError:
                    pass
    """
    run(source, ini="mailtrap_block_smtp = true").assert_outcomes(failed=1)
    run(source).assert_outcomes(passed=1)  # the guard of the run before is gone


def test_the_server_of_the_url_may_be_elsewhere(run):
    """The name is not looked up in the DNS of the world: it ends in .invalid (RFC 6761)."""
    run(
        """
        import socket
        import pytest

        def test_it():
            with pytest.raises(OSError):
                socket.create_connection(("mailtrap.invalid", 25), 1)
        """,
        BLOCK,
        "--mailtrap-url=http://mailtrap.invalid:8025",
    ).assert_outcomes(passed=1)


def test_uvloop(run):
    pytest.importorskip("uvloop")
    result = run(
        """
        import asyncio
        import uvloop
        from helpers import send

        async def connect(host, port):
            reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 1)
            writer.close()

        def test_blocked():
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(connect("192.0.2.1", 587))

        def test_allowed(mailserver):
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(connect(mailserver.smtp.host, mailserver.smtp.port))
        """,
        BLOCK, subprocess=True,
    )  # fmt: skip
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["E *BlockedConnection: test_it.py::test_blocked connects to 192.0.2.1:587*"])


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True), ("0.0.0.0", True),
        ("::", True), ("", True), ("localhost", True), ("app.localhost", True), ("192.0.2.1", False),
        ("2001:db8::1", False), ("::ffff:192.0.2.1", False), ("smtp.example.com", False), ("localhost.example", False),
        ("fe80::1%lo", False),
    ],
)  # fmt: skip
def test_what_is_here(host, here):
    assert is_here(host) is here
