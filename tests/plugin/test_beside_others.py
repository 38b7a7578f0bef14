"""The plugin beside other plugins, each with what its users do with both."""

import json
import subprocess
import sys

import pytest

ASYNC = """
import asyncio
import smtplib
import pytest
from helpers import mail, send
from mailtrap import BlockingWait
"""


def test_pytest_asyncio(run):
    pytest.importorskip("pytest_asyncio")
    run(
        ASYNC
        + """
import pytest_asyncio

@pytest_asyncio.fixture
async def app(async_mailserver):
    yield lambda: asyncio.to_thread(send, async_mailserver)
    await async_mailserver.wait_until_quiet(0.01)

async def test_wait(async_mailserver, app):
    sending = asyncio.create_task(app())
    assert (await async_mailserver.message(to="bob@example.com")).subject == "Hello"
    await sending

async def test_blocking(mailserver):
    with pytest.raises(BlockingWait, match="async_mailserver"):
        mailserver.message()

def test_sync(mailserver):
    send(mailserver)
    assert mailserver.message()
""",
        plugins=("asyncio",),
        ini="asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function",
    ).assert_outcomes(passed=3)


def test_anyio(run):
    pytest.importorskip("trio")
    run(
        ASYNC
        + """
import anyio
pytestmark = pytest.mark.anyio

@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

async def test_wait(async_mailserver):
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, send, async_mailserver)
        assert (await async_mailserver.message(to="bob@example.com")).subject == "Hello"

async def test_blocking(mailserver):
    with pytest.raises(BlockingWait, match="async_mailserver"):
        mailserver.message()
""",
        plugins=("anyio",),
    ).assert_outcomes(passed=4)


@pytest.mark.parametrize("mailers", [False, True])
def test_pytest_django(run, pytester, monkeypatch, mailers):
    """Its ``mailoutbox`` is the locmem backend's; ``mailtrap_django`` beats it for its test alone."""
    pytest.importorskip("pytest_django")
    django = pytest.importorskip("django")
    if mailers and django.VERSION < (6, 1):
        pytest.skip(f"Django {django.__version__} has no MAILERS")
    settings = ["SECRET_KEY = 'x'"]
    if mailers:
        settings.append("MAILERS = {'default': {'OPTIONS': {'host': 'mail.example.com'}}, 'bulk': {}}")
    pytester.makepyfile(project_settings="\n".join(settings))
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    run(
        """
        from django.core import mail

        def test_over_smtp(mailserver, mailtrap_django, mailoutbox):
            mail.send_mail("Reset", "Here", "app@example.com", ["bob@example.com"])
            assert mailserver.message(to="bob@example.com").subject == "Reset"
            assert mailoutbox == []

        def test_not_asked_for(mailoutbox):
            mail.send_mail("Reset", "Here", "app@example.com", ["bob@example.com"])
            assert len(mailoutbox) == 1
        """,
        plugins=("django",),
        # since 6.1 Django finds fault with a project that says nothing of mail, and we with none
        ini="    ignore:Django 2028 will not have a default mailer\nDJANGO_SETTINGS_MODULE = project_settings",
        subprocess=True,
    ).assert_outcomes(passed=2)


def test_randomly_and_timeout(run):
    pytest.importorskip("pytest_randomly")
    pytest.importorskip("pytest_timeout")
    result = run(
        """
        import pytest
        from helpers import send

        @pytest.mark.parametrize("number", range(5))
        def test_it(mailserver, number):
            send(mailserver, to=mailserver.address("bob"), subject=str(number))
            assert mailserver.message().subject == str(number)

        @pytest.mark.timeout(0.2, func_only=True)  # the server takes its time to start where a machine is busy
        def test_too_long(mailserver):
            mailserver.message(timeout=60)
        """,
        "--timeout=30",
        plugins=("randomly",),
    )
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["*Timeout*0.2*", "*Mail of this test*"])


def test_syrupy_and_plain_comparison(run):
    pytest.importorskip("syrupy")
    source = """
        import itertools
        import smtplib
        from email.message import EmailMessage
        from email.utils import formatdate, make_msgid

        def send(server, number):
            mail = EmailMessage()
            mail["From"], mail["To"], mail["Subject"] = "app@example.com", "bob@example.com", "Receipt"
            mail["Date"], mail["Message-ID"] = formatdate(number), make_msgid()
            mail.set_content(f"Order {number}")
            mail.add_alternative(f"<p>Order {number}</p>", subtype="html")  # the boundary differs each time
            with smtplib.SMTP(server.smtp.host, server.smtp.port, timeout=10) as smtp:
                smtp.send_message(mail)
            return server.latest()

        def test_syrupy(mailserver, snapshot):
            assert send(mailserver, 7).snapshot() == snapshot

        def test_plain(mailserver):
            one, two = send(mailserver, 1), send(mailserver, 2)
            assert one.snapshot(mask=["Order 1"]) == two.snapshot(mask=["Order 2"])
            assert one.snapshot() != two.snapshot()
    """
    run(source, "--snapshot-update", plugins=("syrupy",)).assert_outcomes(passed=2)
    result = run(source, plugins=("syrupy",))
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["1 snapshot passed."])
    run(source.replace("send(mailserver, 7)", "send(mailserver, 8)"), plugins=("syrupy",)).assert_outcomes(
        passed=1, failed=1
    )


def test_all_of_them_at_once(run):
    for name in ("pytest_asyncio", "anyio", "pytest_html", "xdist", "pytest_randomly", "syrupy", "pytest_timeout"):
        pytest.importorskip(name)
    result = run(
        ASYNC
        + """
@pytest.mark.asyncio
async def test_async(async_mailserver):
    await asyncio.to_thread(send, async_mailserver)
    assert (await async_mailserver.message()).subject == "Hello"

def test_sync(mailserver):
    send(mailserver)
    assert mailserver.message()

def test_fails(mailserver):
    send(mailserver)
    assert False
""",
        "--html=report.html", "--junit-xml=junit.xml", "--timeout=50", "-Wignore::DeprecationWarning",
        "-Wignore::pytest.PytestAssertRewriteWarning",
        plugins=("asyncio", "anyio", "html", "html_fixtures", "metadata", "randomly", "syrupy", "time_machine"),
        ini="asyncio_default_fixture_loop_scope = function", subprocess=True,
    )  # fmt: skip
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*Mail of this test*"])


def test_under_coverage(pytester):
    """Measured from the beginning, modules of ours too: they are loaded when coverage has begun."""
    pytest.importorskip("coverage")
    pytester.makepyfile(
        test_it="""
        import smtplib

        def test_it(mailserver):
            with smtplib.SMTP(mailserver.smtp.host, mailserver.smtp.port, timeout=10) as smtp:
                smtp.sendmail("a@example.com", "bob@example.com", b"Subject: x\\r\\n\\r\\nHi\\r\\n")
            assert mailserver.message().subject == "x"
        """
    )
    names = ("mailtrap/waiting.py", "pytest_mailtrap/watch.py", "mailtrap/smtp/session.py")  # the last in a thread
    include = f"--include={','.join(f'*/{name}' for name in names)}"
    done = subprocess.run(
        [sys.executable, "-m", "coverage", "run", include, "-m", "pytest", "-q",
         "-pno:cacheprovider", "-pno:django", "-pno:asyncio", "-pno:anyio", "-Werror"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    report = subprocess.run(
        [sys.executable, "-m", "coverage", "json", "-o", "-", "-q"], capture_output=True, text=True, check=True
    )
    files = json.loads(report.stdout)["files"]
    assert len(files) == len(names)
    assert all(data["summary"]["percent_covered"] > 30 for data in files.values())
