"""The fixtures. None is autouse; nothing is imported or started before a test asks for it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from . import options, servers
from .parameters import definitions, names_what_is_behind
from .watch import SHARED, Watch, watch_on, watching

if TYPE_CHECKING:
    from mailtrap import MailServer

    from .aio import AsyncMailServer
    from .dns import Zone


@pytest.fixture(scope="session")
def mailtrap_config() -> dict[str, Any]:
    """Settings of the mail server, by name; override this fixture in a conftest.py to change them."""
    return {}


@pytest.fixture(scope="session")
def mailtrap_server(pytestconfig: pytest.Config, mailtrap_config: dict[str, Any]) -> "Iterator[MailServer]":
    """The running mail server of the whole run; what is made on it is there in every test. One per xdist worker."""
    config = pytestconfig
    with servers.session_server(config, mailtrap_config) as server:
        watch = watching(config, server, whole_run=True)
        if options.flag(config, "viewer"):
            from . import interact

            interact.announce(config, server)
        yield server
        watch.close()  # after everything that was made later is torn down: programs that still send, for instance


@pytest.fixture
def mailserver(request: pytest.FixtureRequest) -> "Iterator[MailServer]":
    """A mail server for this test: a scope of ``mailtrap_server`` with mail, accounts, rules and settings of its own.

    An error inside the server fails the test, unless ``clear()`` accepts it. ``@pytest.mark.mailtrap(**settings)``
    changes settings; one that is fixed when a server starts gives the test a server of its own.
    """
    settings = options.marked(request.node)
    if not settings.boot:
        watch = _shared(request)
        watched = watch.enter(request.node, settings.live)
        yield watched.scope
        watch.leave(watched)
        return
    configured = request.getfixturevalue("mailtrap_config")
    with servers.own_server(request.config, configured, settings.boot) as server:
        watch = Watch(server, request.config, own=True)
        watch.begin()
        watched = watch.enter(request.node, settings.live)
        yield watched.scope
        watch.leave(watched)


def _shared(request: pytest.FixtureRequest) -> Watch:
    """The watch on the server that this test shares with others.

    Which fixture the name means is the same for all tests of a class or module, unless they are parametrised with it;
    and ours has one value for the whole run. To ask pytest again would be half of what a test pays for ``mailserver``.
    """
    node: pytest.Item = request.node
    family = node.parent
    assert family is not None
    watch = family.stash.get(SHARED, None)
    if watch is not None and not watch.over and not names_what_is_behind(node):
        return watch
    # by name, because a test with a server of its own needs no other
    server: MailServer = request.getfixturevalue("mailtrap_server")
    watch = watch_on(request.config, server)
    if watch is None:  # it is a fixture of somebody's own
        watch = watching(request.config, server)
        request.session.addfinalizer(watch.close)
    if watch.whole_run and len(definitions(request.config, "mailtrap_server", node)) == 1:  # nobody wraps it
        family.stash[SHARED] = watch
    return watch


@pytest.fixture
def async_mailserver(mailserver: "MailServer") -> "AsyncMailServer":
    """``mailserver`` for coroutines: the same names, awaited. Under asyncio or trio, with any async plugin or none."""
    from .aio import AsyncMailServer

    return AsyncMailServer(mailserver)


@pytest.fixture
def mailtrap_env(mailserver: "MailServer", monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Environment variables that point here, set for this test: SMTP_HOST, SMTP_PORT, EMAIL_URL, IMAP_*, POP3_*."""
    variables: dict[str, str] = mailserver.config_for("env")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def mailtrap_dns() -> "Iterator[Zone]":
    """A DNS zone that is only a fake: what checks of DKIM, SPF and DMARC look up in this test. It begins empty."""
    from .dns import Zone

    with Zone() as zone:
        yield zone


@pytest.fixture
def mailtrap_django(mailserver: "MailServer") -> "Iterator[MailServer]":
    """Django's mail settings point here for this test, whatever backend its test runner has put in."""
    import warnings
    from contextlib import contextmanager

    try:
        from django.test import override_settings  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError as error:
        raise pytest.UsageError(f"the fixture mailtrap_django needs Django: {error}") from error
    override = override_settings(**mailserver.config_for("django"))

    @contextmanager
    def silently() -> Iterator[None]:
        with warnings.catch_warnings():
            # a project that still uses EMAIL_* under Django 6.1 was told so at its own settings
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            yield

    with silently():
        override.enable()
    try:
        yield mailserver
    finally:
        with silently():
            override.disable()
