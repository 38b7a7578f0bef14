"""The servers of a run: one in the process, or a scope of one that runs elsewhere, with settings from many sources.

Marker, then command line, then environment, then the fixture ``mailtrap_config``, then ini file, then the default.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from . import options
from .distribution import require

if TYPE_CHECKING:
    from mailtrap import MailServer

PORTS: Final = tuple(name for name, (kind, _) in options.INI.items() if kind == "port")


class Settings(dict[str, Any]):
    """Settings of the session's server by name.

    Attributes:
        source: of each, as an error names it.
    """

    def __init__(self, config: pytest.Config, configured: Mapping[str, Any]) -> None:
        """
        Args:
            configured: what the fixture ``mailtrap_config`` gives.

        Raises:
            pytest.UsageError: a setting that does not exist or does not fit; the text names the source.
        """
        __tracebackhide__ = True
        super().__init__()
        self.source: dict[str, str] = {}
        for name in options.INI:
            if (value := config.getini(f"mailtrap_{name}")) is not None:
                self._take(f"ini option mailtrap_{name}", name, value, text=True)
        for name, value in configured.items():
            self._take("fixture mailtrap_config", name, value)
        if (value := os.environ.get("MAILTRAP_TIMEOUT")) is not None:
            self._take("environment variable MAILTRAP_TIMEOUT", "timeout", value, text=True)
        if (value := config.getoption("mailtrap_timeout")) is not None:
            self._take("--mailtrap-timeout", "timeout", value)

    def _take(self, source: str, name: str, value: Any, *, text: bool = False) -> None:
        __tracebackhide__ = True
        from mailtrap.config import check, parse
        from mailtrap.errors import ConfigError

        try:
            self[name] = parse(name, value) if text and isinstance(value, str) else check(name, value)
        except ConfigError as error:
            raise pytest.UsageError(f"{source}: {error}") from None
        self.source[name] = source


@contextmanager
def session_server(config: pytest.Config, configured: Mapping[str, Any]) -> "Iterator[MailServer]":
    """The server of the session, running; where one runs elsewhere, a scope of it for this run.

    Raises:
        pytest.UsageError: a setting that does not exist or does not fit, or the server elsewhere cannot be used.
        PortInUse: a port is taken.
    """
    __tracebackhide__ = True
    require()
    from mailtrap import MailServer

    settings = Settings(config, configured)
    if (there := options.url(config)) is not None:
        with _elsewhere(there, settings, options.flag(config, "exclusive")) as scope:
            yield scope
    else:
        with MailServer(**settings) as server:
            yield server


@contextmanager
def _elsewhere(there: options.URL, settings: Settings, exclusive: bool) -> "Iterator[MailServer]":
    __tracebackhide__ = True
    import uuid

    from mailtrap import MailServer, MailtrapError
    from mailtrap.config import split

    boot, live = split(settings)
    ports = {name: port for name in PORTS if (port := boot.pop(name, None))}  # 0 and off are for it to say
    accounts = boot.pop("accounts", ())
    if boot:
        name = min(boot)
        raise pytest.UsageError(
            f"{settings.source[name]}: {name} is fixed when a server starts, and the one at {there.url} "
            f"({there.source}) runs already"
        )
    waits = {"timeout": live.pop("timeout")} if "timeout" in live else {}
    try:
        client = MailServer.connect(there.url, exclusive=exclusive, **waits, **ports)
    except MailtrapError as error:
        raise pytest.UsageError(f"{there.source}: {error}") from None
    with client, client.scope(f"run-{uuid.uuid4().hex[:8]}", **live) as scope:
        for account in accounts:
            address, _, password = account.partition(":")
            scope.add_account(address, password or None)
        yield scope


@contextmanager
def own_server(config: pytest.Config, configured: Mapping[str, Any], boot: Mapping[str, Any]) -> "Iterator[MailServer]":
    """A server for one test alone, running: the session's settings, and over them those of its marker.

    Ports that are fixed for the session's server are free ones here: that server may be running.
    """
    __tracebackhide__ = True
    require()
    from mailtrap import MailServer

    settings: dict[str, Any] = Settings(config, configured)
    settings.update({name: 0 for name in PORTS if settings.get(name)})
    with MailServer(**{**settings, **boot}) as server:
        yield server
