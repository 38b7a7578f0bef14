"""The pytest plugin ``mailtrap``: hooks only. Loading it imports nothing but pytest and siblings that do the same."""

import sys
from collections.abc import Generator
from typing import Any

import pytest

from . import hooks, options
from .fixtures import (
    _mailtrap_watch as _mailtrap_watch,
)
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
    mailtrap_env as mailtrap_env,
)
from .fixtures import (
    mailtrap_server as mailtrap_server,
)
from .watch import WATCHED


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register options."""
    options.add(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Say which hooks there are."""
    pluginmanager.add_hookspecs(hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "mailtrap(**settings): settings of the mail server for this test; one that is fixed when a server starts "
        "(store, ports, TLS files, plugins) gives the test a server of its own",
    )


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the mail of a test that failed."""
    report = yield
    watched = item.stash.get(WATCHED, None)
    if watched is not None and report.failed and report.when != "teardown":
        from .reporting import section

        report.sections.append(("Mail of this test", section(watched.scope)))
    return report


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Say how addresses and messages differ."""
    if op != "==" or "mailtrap" not in sys.modules:
        return None
    from .reporting import comparison

    return comparison(left, right)
