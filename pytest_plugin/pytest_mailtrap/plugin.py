"""The pytest plugin ``mailtrap``: hooks only. Loading it imports nothing but pytest and siblings that do the same."""

import sys
from collections.abc import Generator
from typing import Any

import pytest

from . import distribution, hooks, options
from .fixtures import (
    async_mailserver as async_mailserver,
)
from .fixtures import (
    mailserver as mailserver,
)
from .fixtures import (
    mailtrap_config as mailtrap_config,
)
from .fixtures import (
    mailtrap_django as mailtrap_django,
)
from .fixtures import (
    mailtrap_dns as mailtrap_dns,
)
from .fixtures import (
    mailtrap_env as mailtrap_env,
)
from .fixtures import (
    mailtrap_server as mailtrap_server,
)
from .parameters import parametrize
from .run import RUN, Run
from .watch import WATCHED


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register options."""
    options.add(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Say which hooks there are."""
    pluginmanager.add_hookspecs(hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and check what the command line and the ini file say."""
    config.addinivalue_line(
        "markers",
        "mailtrap(**settings): settings of the mail server for this test; one that is fixed when a server starts "
        "(store, ports, TLS files, plugins) gives the test a server of its own",
    )
    options.check(config)
    config.stash[RUN] = Run(config)
    if options.flag(config, "block-smtp"):
        distribution.require()
        from .guarding import NAME, Guarding

        config.pluginmanager.register(Guarding(config), NAME)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Remove artifacts of earlier runs: what is there at the end is of this one."""
    session.config.stash[RUN].clean()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist starts a worker."""
    node.workerinput["mailtrap_each"] = node.config.getoption("dist", "no") == "each"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Where somebody's ``mailtrap_config`` has parameters, run each test that uses a mail server with each of them."""
    if "mailserver" in metafunc.fixturenames:
        parametrize(metafunc)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Check the marker, also of a test that does not use a fixture of ours: a mistyped setting must not go unseen."""
    __tracebackhide__ = True
    options.marked(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Errors of the server, and of our hooks, fail the test that caused them, in its call phase."""
    __tracebackhide__ = True
    result = yield
    if (watched := item.stash.get(WATCHED, None)) is not None:
        watched.settle()
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """After the last test the server is stopped, before the report on its teardown is made."""
    if (watched := item.stash.get(WATCHED, None)) is not None:
        watched.ending = nextitem is None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show and keep the mail of a test."""
    report = yield
    if (watched := item.stash.get(WATCHED, None)) is not None:
        if call.excinfo is not None:
            watched.see(call.excinfo.value)
        run = item.config.stash[RUN]
        show, folder = run.shows(report), run.folder(report)
        if show or folder is not None or run.counts(report):
            from .reporting import attach

            attach(item.config, report, call, watched, show=show, silent=run.silent, folder=folder)
        if report.when == "teardown":
            del item.stash[WATCHED]
    return report


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """A test failed, and somebody may want to look at its mail before it goes on."""
    if not options.flag(node.config, "pause-on-failure") or not isinstance(node, pytest.Item):
        return
    if (watched := node.stash.get(WATCHED, None)) is not None:
        from . import interact

        interact.pause(node.config, node.nodeid, watched)


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Say how addresses and messages differ."""
    if op != "==" or "mailtrap" not in sys.modules:
        return None
    from .reporting import comparison

    return comparison(left, right)
