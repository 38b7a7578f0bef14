"""The command ``mailtrap``: a server in a terminal or a container, and what talks to one.

A setting comes from its flag, else from ``MAILTRAP_<NAME>``, else from the TOML file, else it has the default of
``serve``. ``mailtrap config`` prints each with where it came from.
"""

import gc
import json
import logging
import os
import signal
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from . import __version__, commands, config
from .errors import ConfigError, MailtrapError
from .log import Log, logging_to

if TYPE_CHECKING:
    from .server import MailServer

PREFIX: Final = "MAILTRAP_"
_IN_PROCESS: Final = ("smtp_handler", "plugins")  # objects: they cannot be written down
_REPEATED: Final = {"accounts": "account", "local_domains": "local-domain", "seed": "seed"}
_NAMES: Final = tuple(name for name in (*config.BOOT, *config.LIVE) if name not in _IN_PROCESS)


@click.group()
@click.version_option(__version__, prog_name="mailtrap (pytest-mailtrap)")
def main() -> None:
    """A mail server for tests: SMTP, LMTP, POP3, IMAP and HTTP."""


def _settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command one option for each setting."""
    for name in reversed(_NAMES):
        entry = config.BOOT.get(name) or config.LIVE[name]
        meaning, default = entry.metadata["meaning"], entry.metadata["serve"]
        shown = f"{meaning}  [{_written(default) or 'empty'}]"
        if name in _REPEATED:
            option = click.option(f"--{_REPEATED[name]}", name, multiple=True, help=f"{meaning}; may be repeated")
        else:
            option = click.option(f"--{name.replace('_', '-')}", name, metavar="VALUE", help=shown)
        command = option(command)
    return click.option(
        "--config", "config_file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar=f"{PREFIX}CONFIG", help="a TOML file with settings by name",
    )(command)  # fmt: skip


def _written(value: Any) -> str:
    if isinstance(value, tuple | frozenset):
        return ", ".join(sorted(value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def resolve(flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None) -> dict[str, tuple[Any, str]]:
    """Every setting with where it came from.

    Args:
        flags: by name; None or ``()`` where a flag was not given.

    Raises:
        ConfigError: an unknown name in the file or the environment, or a value that does not fit.
    """
    written = _read(file) if file is not None else {}
    found: dict[str, tuple[Any, str]] = {}
    for name in _NAMES:
        entry = config.BOOT.get(name) or config.LIVE[name]
        variable = f"{PREFIX}{name.upper()}"
        flag = flags.get(name)
        if flag not in (None, ()):
            value = config.check(name, list(flag)) if isinstance(flag, tuple) else config.parse(name, flag)
            found[name] = value, f"--{_REPEATED.get(name, name.replace('_', '-'))}"
        elif variable in environment:
            found[name] = config.parse(name, environment[variable]), variable
        elif name in written:
            value = written[name]
            found[name] = (None if value == "" and name.endswith("_port") else config.check(name, value)), str(file)
        else:
            found[name] = entry.metadata["serve"], "default"
    return found


def _read(file: Path) -> dict[str, Any]:
    try:
        written = tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is no TOML: {error}") from error
    for name in written:
        if name not in _NAMES:
            config.check(name, None)  # says which name is nearest
            raise ConfigError(f"{name} cannot be set in a file")
    return written


@main.command()
@_settings_options
@click.option(
    "--ports-file", type=click.Path(dir_okay=False, path_type=Path), envvar=f"{PREFIX}PORTS_FILE",
    help="write where each listener is, as JSON, once all are bound",
)  # fmt: skip
@click.option(
    "--ca-file", type=click.Path(dir_okay=False, path_type=Path), envvar=f"{PREFIX}CA_FILE",
    help="write the certificate that clients must trust, PEM, once all are bound",
)  # fmt: skip
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", envvar=f"{PREFIX}LOG_FORMAT",
    show_default=True, help="of the log on standard error",
)  # fmt: skip
def serve(
    config_file: Path | None, ports_file: Path | None, ca_file: Path | None, log_format: str, **flags: Any
) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    from .server import MailServer

    # From here on: Python as process 1 of a container would ignore SIGTERM.
    stopping = threading.Event()
    for name in ("SIGTERM", "SIGINT"):
        signal.signal(getattr(signal, name), lambda *_: stopping.set())
    with logging_to(sys.stderr, log_format):
        with _loading():
            with speaking():
                found = resolve(flags, os.environ, config_file)
                server = MailServer(plugins=(Log(),), **{name: value for name, (value, _) in found.items()})
                server.start()
            try:
                with speaking():
                    if ca_file is not None:
                        _write_atomically(ca_file, server.ca_pem)
                    if ports_file is not None:
                        _write_atomically(ports_file, json.dumps(_ports(server)))
                _print_listeners(server)
                server.load_http()
            except BaseException:
                server.stop()
                raise
        try:
            stopping.wait()
        finally:
            server.stop()


@contextmanager
def _loading() -> Iterator[None]:
    """Nothing that is loaded goes: Python's collector does not look at it, neither meanwhile nor ever after."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def _print_listeners(server: "MailServer") -> None:
    """Say where each listener is. Who cannot be told this is served all the same."""
    if sys.stdout is None:
        return
    try:
        _print_each(server)
        sys.stdout.flush()
    except OSError as error:
        logging.getLogger("mailtrap").warning("where the listeners are could not be printed: %s", error)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python fails with it once more at the end


def _print_each(server: "MailServer") -> None:
    for name, endpoint in server.endpoints.items():
        click.echo(f"{name:<11} {endpoint.url}")
        if endpoint.host and endpoint.socket is not None:
            click.echo(f"{name:<11} {endpoint.socket}")
    if "http" in server.endpoints:
        click.echo(f"{'viewer':<11} {server.http.url}/")


@main.command("config")
@_settings_options
def show_config(config_file: Path | None, **flags: Any) -> None:
    """Print each setting of ``serve`` and where it came from."""
    with speaking():
        for name, (value, origin) in resolve(flags, os.environ, config_file).items():
            click.echo(f"{name} = {_written(value)!r}  ({origin})")


@main.command()
@click.option(
    "--url", envvar=f"{PREFIX}URL", default=None, help="of the server's HTTP listener; http://127.0.0.1:<http-port>"
)
@click.option("--timeout", default=3.0, show_default=True, help="seconds")
def healthcheck(url: str | None, timeout: float) -> None:
    """Exit with 0 if a server is ready, else with 1: for a container's HEALTHCHECK."""
    from urllib.error import URLError
    from urllib.request import urlopen

    if url is None:
        port = os.environ.get(f"{PREFIX}HTTP_PORT") or config.BOOT["http_port"].metadata["serve"]
        url = f"http://127.0.0.1:{port}"
    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"{url} is no http:// URL")
    try:
        with urlopen(f"{url.rstrip('/')}/readyz", timeout=timeout) as answer:  # noqa: S310  checked above
            answer.read()
    except (URLError, OSError) as error:
        click.echo(f"not ready: {url}: {getattr(error, 'reason', error)}", err=True)
        sys.exit(1)
    click.echo("ready")


@contextmanager
def speaking() -> Iterator[None]:
    """Our own errors are one line on standard error and exit code 2, not a traceback."""
    try:
        yield
    except MailtrapError as error:
        click.echo(f"mailtrap: {error}", err=True)
        sys.exit(2)


def _ports(server: "MailServer") -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, endpoint in server.endpoints.items():
        found[name] = {"host": endpoint.host, "port": endpoint.port}
        if endpoint.socket is not None:
            found[name]["socket"] = endpoint.socket
    return found


def _write_atomically(path: Path, text: str) -> None:
    """Whoever waits for the file sees it whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, "utf-8")
        draft.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error


commands.register(main, speaking)
