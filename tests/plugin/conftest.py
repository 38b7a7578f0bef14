"""A suite of somebody's own, run with the plugin."""

from collections.abc import Callable, Collection

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
