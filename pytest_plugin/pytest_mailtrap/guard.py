"""``--mailtrap-block-smtp``: no test talks to a real mail server by mistake.

Each connection that this process makes with Python's sockets, in whatever thread and by whatever library, passes an
audit hook (PEP 578): ``connect``, ``connect_ex``, ``create_connection``, asyncio. One to a mail port of another host
raises ``BlockedConnection`` there. A program may catch that, so it is kept as well, and fails the test in the phase in
which it happened. uvloop connects without Python's sockets: its ``create_connection`` is wrapped.

What child processes and libraries in C connect to is not seen.
"""

import socket
import sys
from collections.abc import Callable, Collection
from functools import lru_cache, wraps
from ipaddress import ip_address
from typing import Any, Final

from mailtrap import MailtrapError

PORTS: Final = frozenset((25, 465, 587, 2525))
OUTSIDE: Final = "code outside of all tests"


class BlockedConnection(MailtrapError, RuntimeError):
    """A connection to a mail port of another host. No ``OSError``, so that nobody takes it for one and tries again."""


class Guard:
    """What is forbidden while a run goes on.

    Attributes:
        allowed: names and addresses of other hosts that are none to be guarded from: the server of ``--mailtrap-url``.
        test: who connects now: a test's node id.
        blocked: what was raised in the phase that goes on, and was not told yet.
        instead: where mail should go; "" where no server runs.
    """

    def __init__(self, allowed: Collection[str] = ()) -> None:
        self.allowed = frozenset(allowed)
        self.test = OUTSIDE
        self.instead = ""
        self.blocked: list[BlockedConnection] = []

    def check(self, host: object, port: object) -> None:
        """See whether somebody may connect there.

        Raises:
            BlockedConnection: it is a mail port of another host.
        """
        if port not in PORTS or not isinstance(host, str) or host in self.allowed or is_here(host):
            return
        text = (
            f"{self.test} connects to {host}:{port}, a mail port of another host, which --mailtrap-block-smtp forbids"
        )
        if self.instead:
            text += f": mail is for {self.instead}"
        self.blocked.append(BlockedConnection(text))  # not the one that is raised: it would keep the socket
        raise BlockedConnection(text)

    def raise_blocked(self) -> None:
        """Raise what was blocked since it was last asked, in case whoever connected caught it.

        Raises:
            BlockedConnection: the first; the others are noted in it.
        """
        __tracebackhide__ = True
        blocked, self.blocked = self.blocked, []
        if blocked:
            for error in blocked[1:]:
                blocked[0].add_note(str(error))
            raise blocked[0]


@lru_cache(maxsize=256)
def is_here(host: str) -> bool:
    """Whether a name or an address is this machine's. A name is not looked up."""
    if host in ("", "localhost") or host.endswith(".localhost") or host == socket.gethostname():
        return True
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    if (mapped or address).is_loopback or (mapped or address).is_unspecified:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))  # only an address of one's own can be bound
    except OSError:
        return False
    return True


_active: list[Guard] = []  # the last one counts: a run of pytest inside another has its own
_hooked = False


def enable(guard: Guard) -> None:
    """Guard this process, until ``disable``."""
    global _hooked
    if not _hooked:  # an audit hook stays for the life of the process
        _hooked = True
        sys.addaudithook(_audit)
    _active.append(guard)
    wrap_uvloop()


def disable(guard: Guard) -> None:
    """Guard no longer."""
    _active.remove(guard)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect" or not _active:
        return
    _, address = arguments
    if isinstance(address, tuple) and len(address) >= 2:
        _active[-1].check(*address[:2])


def wrap_uvloop() -> None:
    """Guard uvloop's way to connect, if it has been imported: it asks no socket of Python."""
    uvloop: Any = sys.modules.get("uvloop")
    if uvloop is None or hasattr(uvloop.Loop.create_connection, "__wrapped__"):
        return
    original: Callable[..., Any] = uvloop.Loop.create_connection

    @wraps(original)
    async def create_connection(self: Any, factory: Any, host: Any = None, port: Any = None, **more: Any) -> Any:
        if _active:
            _active[-1].check(host, port)
        return await original(self, factory, host, port, **more)

    uvloop.Loop.create_connection = create_connection
