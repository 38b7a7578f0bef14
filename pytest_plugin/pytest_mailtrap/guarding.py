"""The hooks of ``--mailtrap-block-smtp``: a plugin of its own, registered only where the option is given."""

import socket
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from . import guard, options
from .watch import WATCHES

NAME: Final = "mailtrap-guard"


class Guarding:
    """Says which test it is that connects, and fails it."""

    def __init__(self, config: pytest.Config) -> None:
        there = options.url(config)
        host = None if there is None else urlsplit(there.url).hostname
        self._config = config
        self.guard = guard.Guard(() if host is None else (host, *_addresses(host)))
        guard.enable(self.guard)

    def pytest_unconfigure(self) -> None:
        """The run is over."""
        guard.disable(self.guard)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """A test begins, and ends."""
        guard.wrap_uvloop()
        self.guard.test = item.nodeid
        try:
            return (yield)
        finally:
            self.guard.test = guard.OUTSIDE
            self.guard.blocked.clear()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Generator[None, Any, Any]:
        """Its fixtures connect."""
        with self._phase():
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, Any, Any]:
        """It connects itself."""
        with self._phase():
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Generator[None, Any, Any]:
        """Its fixtures connect."""
        with self._phase():
            return (yield)

    @contextmanager
    def _phase(self) -> Iterator[None]:
        __tracebackhide__ = True
        for watch in self._config.stash.get(WATCHES, {}).values():
            self.guard.instead = watch.where()
        try:
            yield
        except BaseException as error:
            for blocked in self.guard.blocked:
                if str(blocked) != str(error):  # it may be why
                    error.add_note(str(blocked))
            self.guard.blocked.clear()
            raise
        self.guard.raise_blocked()


def _addresses(host: str) -> set[str]:
    """The addresses of the server that is to be used; none where its name is not known here."""
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host, None)}
    except OSError:
        return set()
