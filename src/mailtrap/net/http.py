"""The HTTP listener: a thread that waits on its socket and does nothing until the first connection.

Flask, werkzeug and the application are imported and made then, or by ``load``, or when ``app`` is used.
"""

import logging
import selectors
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..clock import monotonic

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from .wsgi import Server

log = logging.getLogger("mailtrap.http")


class HTTPServer:
    """Serves a WSGI application on a bound socket, a daemon thread for each connection."""

    def __init__(
        self, sock: socket.socket, make_app: "Callable[[], WSGIApplication]", report: Callable[[BaseException], None]
    ) -> None:
        """
        Args:
            sock: bound and listening; closed by ``stop()``.
            make_app: called once, at the latest possible time.
            report: is told, in any thread, of each exception that the application let out.
        """
        self._sock = sock
        self._report = report
        self._make_app = make_app
        self._app: WSGIApplication | None = None
        self._lock = threading.Lock()
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._wake: tuple[socket.socket, socket.socket] | None = None

    @property
    def app(self) -> "WSGIApplication":
        """The application, made at first use."""
        with self._lock:
            if self._app is None:
                self._app = self._make_app()
            return self._app

    def load(self) -> None:
        """Do what the first connection does otherwise."""
        from . import wsgi  # noqa: F401

        _ = self.app

    def start(self) -> None:
        """Begin to accept. Nothing happens when it does already."""
        if self._thread is None:
            self._wake = socket.socketpair()
            self._thread = threading.Thread(
                target=self._accept, args=(self._wake[1],), name="mailtrap-http", daemon=True
            )
            self._thread.start()

    def stop(self, timeout: float = 1.0) -> None:
        """Stop accepting and close every connection, also those of event streams. Idempotent.

        Threads that are inside the application are not waited for.
        """
        thread, self._thread = self._thread, None
        self._stopping = True
        if thread is not None and self._wake is not None:
            deadline = monotonic() + timeout
            self._wake[0].close()
            thread.join(max(0.0, deadline - monotonic()))
        self._sock.close()

    def _accept(self, wake: socket.socket) -> None:
        with selectors.DefaultSelector() as selector, wake:
            selector.register(self._sock, selectors.EVENT_READ)
            selector.register(wake, selectors.EVENT_READ)
            try:
                while not self._stopping:
                    ready = [key.fileobj for key, _ in selector.select()]
                    if wake in ready or self._stopping:
                        break
                    self._serve()
            finally:
                if self._server is not None:
                    self._server.close_all()

    def _serve(self) -> None:
        try:
            if self._server is None:
                from .wsgi import Server

                self._server = Server(self._sock, self.app, self._report)
            self._server.handle_request()
        except Exception as error:
            # A client must not be left without an answer for ever, nor this thread spin: the connection is dropped.
            log.exception("an HTTP connection could not be served")
            self._report(error)
            self._drop()

    def _drop(self) -> None:
        try:
            self._sock.accept()[0].close()
        except OSError as error:
            log.debug("nothing to drop: %s", error)
