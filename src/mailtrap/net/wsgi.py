"""werkzeug's threaded server, with connections that stay open between requests and that can all be ended at once.

Imported at the first HTTP connection only: it imports werkzeug.
"""

import io
import logging
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Final, cast

from werkzeug.serving import DechunkedInput, ThreadedWSGIServer, WSGIRequestHandler

from .. import limits

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

log = logging.getLogger("mailtrap.http")

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
_WITHOUT_BODY: Final = frozenset({204, 304})  # RFC 9110, 6.4.1
_SORRY: Final = b"Internal Server Error\n"


class Server(ThreadedWSGIServer):
    """Accepts on a socket that somebody else bound, and knows its open connections."""

    def __init__(self, sock: socket.socket, app: "WSGIApplication", report: Callable[[BaseException], None]) -> None:
        """report: is told of each exception that the application let out."""
        host, port = sock.getsockname()[:2]
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        self._closed = False
        self._report = report
        super().__init__(host, port, app, RequestHandler, fd=sock.fileno())
        self.socket.setblocking(False)
        self.timeout = 0.0

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        request.setblocking(True)  # some systems let it inherit the listener's mode
        with self._connections_lock:
            if not self._closed:
                self._connections.add(request)
        try:
            if request in self._connections:
                super().process_request_thread(request, client_address)
            else:
                self.shutdown_request(request)
        finally:
            with self._connections_lock:
                self._connections.discard(request)

    def application_failed(self, error: BaseException) -> None:
        """Tell of what the application let out. One that is ended in the middle may let out anything."""
        if not self._closed:
            self._report(error)

    def shutdown_request(self, request: Any) -> None:
        # Forgotten before it is closed: nothing else may be ended in its place.
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """An exception outside the application: mostly a client that broke off in the middle."""
        log.debug("HTTP connection of %s: %r", client_address, sys.exception())

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002, ARG002
        log.debug(message, *args)

    def close_all(self) -> None:
        """Stop listening and end every connection; a thread that waits for its client comes back with an error."""
        self.server_close()
        with self._connections_lock:
            self._closed = True
            for sock in self._connections:
                with suppress(OSError):  # the client was faster
                    sock.shutdown(socket.SHUT_RDWR)


class _Body(io.RawIOBase):
    """A request's body of known length."""

    broken = False

    def __init__(self, rfile: Any, length: int) -> None:
        self._rfile = rfile
        self._left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with memoryview(buffer) as view:
            count: int = self._rfile.readinto1(view[: self._left]) if self._left and len(view) else 0
        if not count and self._left and len(buffer):
            raise ConnectionResetError("the client broke off in the middle of a request")
        self._left -= count
        return count


class _Chunks(DechunkedInput):
    """A request's body in chunks. ``broken``: the client does not keep to the form."""

    broken = False

    def readinto(self, buffer: Any) -> int:
        try:
            return super().readinto(buffer)
        except OSError:
            self.broken = True
            raise


class _Response:
    """What one application call answers, on its way out."""

    def __init__(self, handler: "RequestHandler") -> None:
        self._handler = handler
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self._left: int | None = None  # of a declared length
        self._silent = False  # a response without a body
        self.chunked = False
        self.sent = False

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: _ExcInfo | None = None
    ) -> Callable[[bytes], object]:
        """``start_response`` of PEP 3333."""
        if exc_info is not None:
            if self.sent and exc_info[1] is not None:
                raise exc_info[1]
        elif self._status:
            raise AssertionError("start_response was called before")
        self._status, self._headers = status, list(headers)
        return self.write

    def write(self, data: bytes) -> None:
        """Send the head, if it was not sent, and this."""
        handler = self._handler
        if not self.sent:
            self._send_head()
        if self._silent:
            data = b""
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        if data:
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data)
        handler.wfile.flush()

    def finish(self) -> None:
        """The application has said all."""
        if not self.sent:
            self.write(b"")
        if self.chunked:
            self._handler.wfile.write(b"0\r\n\r\n")
        if self._left and not self._silent:
            self._handler.close_connection = True  # less than it declared: only the end can tell
        self._handler.wfile.flush()

    def _send_head(self) -> None:
        handler = self._handler
        if not self._status:
            raise AssertionError("write() before start_response()")
        code, _, reason = self._status.partition(" ")
        names = {name.lower() for name, _ in self._headers}
        self._silent = handler.command == "HEAD" or int(code) in _WITHOUT_BODY
        for name, value in self._headers:
            if name.lower() == "content-length":
                self._left = int(value)
        self.sent = True
        handler.send_response(int(code), reason)
        for name, value in self._headers:
            handler.send_header(name, value)
        if not self._silent and "content-length" not in names:
            if handler.request_version >= "HTTP/1.1":
                self.chunked = True
                handler.send_header("Transfer-Encoding", "chunked")
            else:  # RFC 9112, 6.3: the end of the connection is the end of the body
                handler.close_connection = True
        if "connection" not in names:
            if handler.close_connection:
                handler.send_header("Connection", "close")
            elif handler.request_version < "HTTP/1.1":
                handler.send_header("Connection", "keep-alive")
        handler.end_headers()


class RequestHandler(WSGIRequestHandler):
    """One connection: request after request. What is left of a request's body is read before the next."""

    protocol_version = "HTTP/1.1"
    server_version = "mailtrap"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024  # the head and the first piece of the body leave together
    timeout = 75.0

    def handle_expect_100(self) -> bool:
        told = super().handle_expect_100()
        self.wfile.flush()
        return told

    def run_wsgi(self) -> None:
        self.environ = environ = self.make_environ()
        raw = self._body(environ)
        if raw is None:
            self.close_connection = True
            self.send_error(400, "Bad Content-Length")
            return
        # PEP 3333: read(n) gives n octets where there are so many; a raw stream may give fewer.
        environ["wsgi.input"] = body = io.BufferedReader(raw)
        response = _Response(self)
        try:
            self._answer(environ, response)
            self._skip(body)
        except (ConnectionError, TimeoutError) as error:
            self.close_connection = True
            self.connection_dropped(error, environ)
        except Exception as error:
            self.close_connection = True
            if raw.broken:
                if not response.sent:
                    self.send_error(400, "Bad chunk")
                return
            log.exception("the application failed at %s %s", self.command, self.path)
            cast("Server", self.server).application_failed(error)
            if not response.sent:
                apology = _Response(self)
                headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(_SORRY)))]
                with suppress(OSError):
                    apology.start("500 Internal Server Error", headers)(_SORRY)

    def _answer(self, environ: "WSGIEnvironment", response: _Response) -> None:
        pieces = self.server.app(environ, response.start)
        try:
            for piece in pieces:
                response.write(piece)
            response.finish()
        finally:
            if (close := getattr(pieces, "close", None)) is not None:
                close()

    def _body(self, environ: "WSGIEnvironment") -> "_Body | _Chunks | None":
        """The request's body; None where its length is no number."""
        if isinstance(environ["wsgi.input"], DechunkedInput):
            if "Content-Length" in self.headers:
                self.close_connection = True  # RFC 9112, 6.1: who is right is anybody's guess
            return _Chunks(cast("IO[bytes]", self.rfile))
        length = self.headers.get("Content-Length", "0").strip()
        return _Body(self.rfile, int(length)) if length.isascii() and length.isdecimal() else None

    def _skip(self, body: "io.BufferedReader[Any]") -> None:
        """Read what the application left of the body; where that is much, end the connection instead."""
        left = limits.HTTP_DRAIN
        while left > 0:
            piece = body.read(min(left, 65536))
            if not piece:
                return
            left -= len(piece)
        self.close_connection = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002
        log.debug("%s %r %s", self.client_address[0], self.requestline, code)

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002, ARG002
        log.debug(message, *args)
