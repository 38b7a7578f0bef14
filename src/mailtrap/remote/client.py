"""Requests to ``/api/mailtrap/`` over connections that are kept; answers are JSON or bytes, errors ours."""

import http.client
import json
import os
import select
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from .. import clock, errors
from ..errors import ConfigError, MailtrapError, ServerRestarted, StoreError
from ..web import LIFE

PREFIX: Final = "/api/mailtrap"
PATIENCE: Final = 30.0  # seconds that an answer may take beyond what was asked to wait
IDLE: Final = 20.0  # seconds after which a kept connection is not trusted: the server may be about to close it
_SELECTABLE: Final = 1024  # file descriptors below it are what select() takes everywhere
_LOST: Final = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)

Query = Mapping[str, Any] | Iterable[tuple[str, Any]]


class Client:
    """The way to one server.

    Attributes:
        url: as it was given, without a slash at its end.
        host: of the URL: the server's listeners are there.
        life: of the store, as it was when it was last asked; "" before.
        on_restart: called when the server turns out to have begun anew.
    """

    def __init__(self, url: str) -> None:
        self._lock = threading.Lock()
        self._idle: list[tuple[http.client.HTTPConnection, float]] = []  # with when each was used last
        self._pid = os.getpid()
        self.life = ""
        self.on_restart: Callable[[], None] = lambda: None
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ConfigError(f"{url!r} is no URL: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{url!r} is no URL of an HTTP listener, as http://127.0.0.1:8025")
        self.url = url.rstrip("/")
        self.host = parts.hostname
        self._port = port
        self._secure = parts.scheme == "https"
        self._path = parts.path.rstrip("/") + PREFIX

    def json(self, method: str, path: str, query: Query = (), body: Any = None, patience: float = PATIENCE) -> Any:
        """Ask, and give the answer's JSON.

        Args:
            path: below ``/api/mailtrap``.
            body: a value for JSON, or bytes.
            patience: seconds until an answer must have begun.

        Raises:
            MailtrapError: what the server said was wrong, as its own class where that is one; or nothing answered.
            ServerRestarted: the store began anew since it was last asked. The next question is answered.
        """
        __tracebackhide__ = True
        answer = self.raw(method, path, query, body, patience)
        try:
            return json.loads(answer)
        except ValueError as error:
            raise MailtrapError(f"{self.url} is no mailtrap server: it answers {answer[:80]!r}") from error

    def raw(self, method: str, path: str, query: Query = (), body: Any = None, patience: float = PATIENCE) -> bytes:
        """As ``json``, but the answer's bytes."""
        __tracebackhide__ = True
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        target = self._target(path, query)
        connection, kept = self._take(patience)
        try:
            try:
                response = self._ask(connection, method, target, data)
            except _LOST:
                # A kept connection may have been closed meanwhile: that says nothing about the server.
                if not kept or method != "GET":
                    raise
                connection.close()
                connection = self._new(patience)
                response = self._ask(connection, method, target, data)
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise MailtrapError(f"no server answers at {self.url}: {error}") from error
        except BaseException:
            connection.close()
            raise
        self._put_back(connection)
        if response.status >= 400:
            told = as_error(response.status, content, self.url)
            if isinstance(told, ServerRestarted):
                self._begin_anew()
            raise told
        return content

    def _begin_anew(self) -> None:
        """Nothing that was known of the server holds."""
        self.life = ""
        self.on_restart()
        self.life = self.json("GET", "/mark")["mark"].rpartition(":")[0]

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, target: str, data: bytes | None
    ) -> http.client.HTTPResponse:
        connection.request(method, target, data, {LIFE: self.life} if self.life else {})
        return connection.getresponse()

    def stream(
        self, path: str, query: Query, patience: float
    ) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
        """An answer that goes on, and its connection, which the caller closes.

        Args:
            patience: seconds of silence after which reading fails.
        """
        connection = self._new(patience)
        try:
            connection.request("GET", self._target(path, query))
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise MailtrapError(f"no server answers at {self.url}: {error}") from error
        if response.status >= 400:
            content = response.read()
            connection.close()
            raise as_error(response.status, content, self.url)
        return response, connection

    def close(self) -> None:
        """Close the connections that are kept. The client can still be used."""
        with self._lock:
            idle, self._idle = self._idle, []
        if self._pid == os.getpid():
            for connection, _ in idle:
                connection.close()

    __del__ = close

    def _target(self, path: str, query: Query) -> str:
        pairs = [(name, value) for name, value in _pairs(query) if value is not None]
        return self._path + quote(path) + (f"?{urlencode(pairs)}" if pairs else "")

    def _take(self, patience: float) -> tuple[http.client.HTTPConnection, bool]:
        """A connection, and whether it was kept."""
        with self._lock:
            if self._pid != os.getpid():
                self._pid, self._idle = os.getpid(), []  # a fork's parent goes on using its own
            now = clock.monotonic()
            while self._idle:
                connection, used = self._idle.pop()
                if now - used <= IDLE and connection.sock is not None and not _readable(connection.sock):
                    connection.sock.settimeout(patience)
                    return connection, True
                connection.close()
        return self._new(patience), False

    def _put_back(self, connection: http.client.HTTPConnection) -> None:
        if connection.sock is not None:
            with self._lock:
                self._idle.append((connection, clock.monotonic()))

    def _new(self, patience: float) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return kind(self.host, self._port, timeout=patience)


def _readable(sock: socket.socket) -> bool:
    """Whether something came on a connection where nothing was asked: it was closed."""
    readable, _, _ = select.select([sock], [], [], 0) if sock.fileno() < _SELECTABLE else ([], [], [])
    return bool(readable)


def _pairs(query: Query) -> Iterable[tuple[str, Any]]:
    return query.items() if isinstance(query, Mapping) else query


def as_error(status: int, content: bytes, url: str) -> MailtrapError:
    """The exception that an answer stands for."""
    kind, text = "", ""
    with suppress(ValueError, KeyError, TypeError):
        told = json.loads(content)["error"]
        kind, text = str(told["type"]), str(told["message"])
    if not kind:
        return MailtrapError(f"{url} is no mailtrap server: it answers {status} {content[:80]!r}")
    if kind in ("BadParameter", "BadRequest"):
        return ConfigError(text)
    if kind in ("ServerRestarted", "NoSuchScope"):  # a scope that it opened, and knows no more
        return ServerRestarted(
            f"the mail server at {url} was started anew since it was last asked: "
            f"its mail, accounts and scopes of before are gone ({text})"
        )
    if kind in ("NoSuchMessage", "Posted"):
        return StoreError(text)
    found = getattr(errors, kind, None)
    if isinstance(found, type) and issubclass(found, MailtrapError):
        return found(text)
    return MailtrapError(f"{url}: {text}")
