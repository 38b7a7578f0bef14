"""A suite of somebody's own, run with the plugin."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pytest

# Kept by in-process runs: pytester forgets modules that a run imported, and classes would be there twice.
import mailtrap.remote.server
import mailtrap.server
import mailtrap.web.app  # noqa: F401
import pytest_mailtrap.aio
import pytest_mailtrap.expectations
import pytest_mailtrap.reporting  # noqa: F401

HELPERS = """
import smtplib
from email.message import EmailMessage


def mail(to="bob@example.com", subject="Hello", text="Hi Bob", html=None):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "app@example.com", to, subject
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    return message


def send(server, to="bob@example.com", subject="Hello", **content):
    with smtplib.SMTP(server.smtp.host, server.smtp.port, timeout=10) as smtp:
        smtp.send_message(mail(to, subject, **content))
"""

# Plugins that are installed for tests which ask for them.
OTHERS = ("anyio", "asyncio", "django", "html", "html_fixtures", "metadata", "randomly", "syrupy", "time_machine")

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run test code with the plugin, in this process unless ``subprocess=True``; warnings are errors there too.

    Of other plugins those are there that ``plugins`` names, and xdist and timeout.
    """
    here = ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT")  # this suite's; syrupy in the other one looks at them
    for name in ("MAILTRAP_TIMEOUT", "MAILTRAP_URL", "PYTEST_ADDOPTS", *here):
        monkeypatch.delenv(name, raising=False)

    def run(
        source: str, *args: str, conftest: str = "", ini: str = "", plugins: Collection[str] = (),
        subprocess: bool = False,
    ) -> pytest.RunResult:  # fmt: skip
        pytester.makepyfile(helpers=HELPERS, test_it=source)
        pytester.makeconftest(conftest)
        pytester.makeini(f"[pytest]\nfilterwarnings = error\n{ini}")
        unwanted = [f"-pno:{name}" for name in ("cacheprovider", *OTHERS) if name not in plugins]
        arguments = (*unwanted, *args)
        return (pytester.runpytest_subprocess if subprocess else pytester.runpytest_inprocess)(*arguments)

    return run


@pytest.fixture
def ends(run: Run) -> Callable[..., None]:
    """Run test code as ``run`` does, that has to end with ``outcomes`` and show ``lines``, in this order."""

    def ends(source: str, *args: str, outcomes: Mapping[str, int], lines: Sequence[str] = (), **suite: Any) -> None:
        result = run(source, *args, **suite)
        result.assert_outcomes(**outcomes)
        result.stdout.fnmatch_lines(lines)

    return ends


@pytest.fixture
def interrupted(run: Run) -> Callable[..., None]:
    """Run a test that waits, in which Ctrl-C is pressed; it has to leave no thread behind."""

    def interrupted(*args: str) -> None:
        result = run(
            """
            import signal
            import threading

            def test_it(mailserver):
                signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
                main = threading.main_thread().ident
                threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT)).start()
                mailserver.message(timeout=60)

            def test_it_is_not_run(mailserver):
                raise AssertionError("the run went on")
            """,
            *args,
            conftest="""
import threading

def pytest_unconfigure(config):
    left = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    print("left behind:", [thread.name for thread in left if not isinstance(thread, threading.Timer)])
""",
            subprocess=True,
        )
        assert result.ret == pytest.ExitCode.INTERRUPTED
        result.stdout.fnmatch_lines(["*KeyboardInterrupt*", "left behind: [[][]]"])
        result.stdout.no_fnmatch_line("*the run went on*")

    return interrupted
