"""Unix sockets to listen on: bound in the caller's thread, as ports are.

A socket's file outlives a server that was killed. Whether one that is there is dead is asked of the socket itself:
where nobody listens connecting fails at once. The directory is locked meanwhile, so that of two servers that start at
once neither takes away what the other has just made.
"""

import errno
import os
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .. import limits
from ..errors import ConfigError, PortInUse


class UnixListener:
    """A listening socket and its file.

    Attributes:
        sock: non-blocking.
        path: of the file, absolute.
    """

    def __init__(self, name: str, path: str, mode: int) -> None:
        """
        Args:
            name: the listener's, for errors: ``lmtp``.
            path: of the file; its directory exists.
            mode: the file's permissions: who may connect.

        Raises:
            PortInUse: another server listens there.
            ConfigError: the system has no Unix sockets, or the path is none that can be bound.
        """
        if sys.platform == "win32" or not hasattr(socket, "AF_UNIX"):
            raise ConfigError(f"{name} cannot listen on {path}: this system has no Unix sockets")
        self._file = Path(path).absolute()
        self.path = str(self._file)
        try:
            with _locked(self._file.parent):
                self.sock = self._bind(name, mode)
                found = self._file.lstat()
        except (OSError, ValueError) as error:
            if isinstance(error, PortInUse | ConfigError):
                raise
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise ConfigError(f"{name} cannot listen on {path}: {reason}") from error
        self._identity = found.st_dev, found.st_ino

    def _bind(self, name: str, mode: int) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            try:
                sock.bind(self.path)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                self._remove_dead(name)
                sock.bind(self.path)
            self._file.chmod(mode)  # before anybody can connect
            sock.listen(limits.BACKLOG)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        return sock

    def _remove_dead(self, name: str) -> None:
        """Take away the file of a server that is no more."""
        if not stat.S_ISSOCK(self._file.lstat().st_mode):
            raise ConfigError(f"{name} cannot listen on {self.path}: there is a file, and it is no socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(self.path)
            except ConnectionRefusedError:
                self._file.unlink()
                return
            except BlockingIOError:
                pass  # somebody listens, and has no time
        raise PortInUse(errno.EADDRINUSE, f"{name}: the socket {self.path} is in use")

    def remove(self) -> None:
        """Take the file away, unless it is another one by now. The socket is closed by whoever serves it."""
        with suppress(FileNotFoundError):
            found = self._file.lstat()
            if (found.st_dev, found.st_ino) == self._identity:
                self._file.unlink()


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    import fcntl

    opened = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)  # which gives the lock back
