"""What loading the plugin costs, and what is left behind."""

import json
import subprocess
import sys

import pytest

PROBE = """
import json, sys
import pytest
before = set(sys.modules)
import pytest_mailtrap.plugin
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_the_plugin_imports_only_pytest():
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert [name for name in loaded if name.partition(".")[0] != "pytest_mailtrap"] == []
    assert set(loaded) == {
        "pytest_mailtrap", "pytest_mailtrap.plugin", "pytest_mailtrap.options", "pytest_mailtrap.fixtures",
        "pytest_mailtrap.parameters", "pytest_mailtrap.watch", "pytest_mailtrap.distribution", "pytest_mailtrap.hooks",
        "pytest_mailtrap.imports", "pytest_mailtrap.run", "pytest_mailtrap.servers",
    }  # fmt: skip


def test_our_modules_are_not_loaded_as_tests(run):
    """``-p`` marks what it names, as an installed wheel marks its packages; only the suite for stores is wanted."""
    run(
        """
        import sys
        from _pytest.assertion.rewrite import AssertionRewritingHook

        def test_it(mailserver):
            import mailtrap.store.contract.messages
            from pytest_mailtrap import expect
            ours = [name for name in sys.modules if name.partition(".")[0] in ("mailtrap", "pytest_mailtrap")]
            rewritten = {name for name in ours if isinstance(sys.modules[name].__loader__, AssertionRewritingHook)}
            assert "mailtrap.store.contract.messages" in rewritten
            assert {name for name in rewritten if not name.startswith("mailtrap.store.contract")} <= {
                "pytest_mailtrap", "pytest_mailtrap.imports"
            }
        """,
        "-p", "mailtrap", subprocess=True,
    ).assert_outcomes(passed=1)  # fmt: skip


def test_a_run_without_mail_loads_nothing_of_the_server(run, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    run(
        """
        import sys
        import threading

        def test_it():
            heavy = ("mailtrap", "asyncio", "flask", "aiosmtpd", "sqlite3", "email.policy", "trustme")
            assert [name for name in heavy if name in sys.modules] == []
            assert threading.active_count() == 1
        """,
        "-p", "pytest_mailtrap.plugin", subprocess=True,
    ).assert_outcomes(passed=1)  # fmt: skip


def test_a_run_with_mail_loads_what_it_uses_only(run, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    run(
        """
        import sys
        from helpers import send

        def test_it(mailserver):
            send(mailserver)
            assert mailserver.message().subject == "Hello"
            assert [name for name in ("flask", "sqlite3", "trustme", "cryptography") if name in sys.modules] == []
        """,
        "-p", "pytest_mailtrap.plugin", subprocess=True,
    ).assert_outcomes(passed=1)  # fmt: skip


def test_nothing_is_left(run):
    run(
        """
        import gc
        import threading
        import pytest
        from helpers import send

        @pytest.mark.mailtrap(hostname="own.test")
        def test_own(mailserver):
            send(mailserver)
            assert mailserver.message(to="bob@example.com")
            mailserver.http

        def test_shared(mailserver):
            send(mailserver)
            assert mailserver.message()

        def test_waiting(async_mailserver):
            import asyncio
            from helpers import mail

            async def main():
                await asyncio.to_thread(send, async_mailserver)
                await async_mailserver.message()
            asyncio.run(main())
        """,
        conftest="""
import gc, socket, threading

def pytest_unconfigure(config):
    gc.collect()
    left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    sockets = [o for o in gc.get_objects() if isinstance(o, socket.socket) and o.fileno() >= 0]
    print("left behind:", left, sockets)
""",
        subprocess=True,
    ).stdout.fnmatch_lines(["*3 passed*", "left behind: [[][]] [[][]]"])


@pytest.mark.skipif(sys.platform == "win32", reason="no pthread_kill")
def test_nothing_is_left_after_ctrl_c_in_a_wait(interrupted):
    interrupted()


def test_other_kinds_of_tests(run):
    run(
        """
        import unittest
        import pytest
        from helpers import send

        class TestCase(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def server(self, mailserver):
                self.mailserver = mailserver

            def test_it(self):
                send(self.mailserver)
                assert self.mailserver.message().subject == "Hello"

        def documented():
            '''
            >>> 1 + 1
            2
            '''
        """,
        "--doctest-modules",
    ).assert_outcomes(passed=2)


def test_it_can_be_switched_off(run):
    result = run("def test_it(mailserver): pass", "-p", "no:mailtrap", subprocess=True)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'mailserver' not found*"])


def test_fixtures_are_documented(run):
    result = run("", "--fixtures")
    for name in (
        "async_mailserver", "mailserver", "mailtrap_config [[]session scope[]]", "mailtrap_django", "mailtrap_env",
        "mailtrap_server [[]session scope[]]",
    ):  # fmt: skip
        result.stdout.fnmatch_lines([f"{name} -- *fixtures.py*", "    [A-Z`]*"], consecutive=True)
    result.stdout.no_fnmatch_line("*_mailtrap_watch*")


def test_options_are_documented(run):
    result = run("", "--help")
    result.stdout.fnmatch_lines(
        ["mailtrap, a mail server for tests:", "  --mailtrap-timeout=SECONDS", "  mailtrap_routing *"]
    )


class TestTheOtherDistribution:
    def test_fixtures_name_both(self, run, pytester, monkeypatch):
        other = pytester.mkdir("other")
        (other / "mailtrap").mkdir()
        (other / "mailtrap" / "__init__.py").write_text("class MailtrapClient: pass\n")
        monkeypatch.setenv("PYTHONPATH", str(other))
        result = run(
            """
            def test_fixture(mailserver):
                pass

            def test_import():
                from pytest_mailtrap import expect

            def test_unconcerned():
                pass
            """,
            subprocess=True,
        )
        result.assert_outcomes(passed=1, failed=1, errors=1)
        line = "E *UsageError: `import mailtrap` finds *other*'pytest-mailtrap'*'mailtrap' (the mailtrap.io API*"
        result.stdout.fnmatch_lines([line, line])


class TestPublicNames:
    def test_they_load_lazily(self):
        code = "import sys, pytest_mailtrap; assert 'mailtrap' not in sys.modules; pytest_mailtrap.expect; print('ok')"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "ok\n"

    def test_each_is_there(self):
        import pytest_mailtrap

        for name in pytest_mailtrap.__all__:
            assert getattr(pytest_mailtrap, name).__name__ == name
        assert set(pytest_mailtrap.__all__) <= set(dir(pytest_mailtrap))

    def test_another_is_not(self):
        import pytest_mailtrap

        with pytest.raises(AttributeError, match="no attribute 'expectation'"):
            pytest_mailtrap.expectation  # noqa: B018
