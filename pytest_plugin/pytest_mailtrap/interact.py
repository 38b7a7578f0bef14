"""For somebody at a terminal: where the viewer is, and a pause in which to look into it."""

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from . import options

if TYPE_CHECKING:
    from mailtrap import MailServer

    from .watch import Watched


def announce(config: pytest.Config, server: "MailServer") -> None:
    """Say where the viewer is."""
    _say(config, f"mailtrap: the viewer is at {_viewer(config, server)}")


def pause(config: pytest.Config, nodeid: str, watched: "Watched") -> None:
    """After a failure, wait for Enter. Where nobody can press it, go on."""
    address = f"{_viewer(config, watched.scope)}?scope={quote(watched.scope.name)}"
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend(in_=True)
    try:
        _say(config, f"mailtrap: {nodeid} failed; its mail is at {address}. Press Enter to go on.")
        try:
            input()
        except EOFError:
            _say(config, "mailtrap: there is nobody to press it")
    finally:
        if capture is not None:
            capture.resume()


def _viewer(config: pytest.Config, server: "MailServer") -> str:
    from mailtrap import MailtrapError

    if (there := options.url(config)) is not None:
        return there.url.rstrip("/") + "/"
    try:
        return server.http.url.rstrip("/") + "/"
    except MailtrapError as error:
        raise pytest.UsageError(f"there is no viewer: {error}") from None


def _say(config: pytest.Config, line: str) -> None:
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    terminal: Any = config.pluginmanager.getplugin("terminalreporter")
    if terminal is None:
        return
    if capture is None:
        terminal.write_line(line)
        return
    with capture.global_and_fixture_disabled():
        terminal.ensure_newline()
        terminal.write_line(line)
