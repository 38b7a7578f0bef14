"""The servers of a benchmark, each in a process of its own: prints its ports, then holds every message.

python benchmarks/targets.py mailtrap|aiosmtpd|smtpdfix
python benchmarks/targets.py mailtrap-tls|aiosmtpd-tls CERTIFICATE    # prints two ports: implicit TLS, STARTTLS
python benchmarks/targets.py mailtrap-pop3 MESSAGES                   # of corpus.py, for anybody
python benchmarks/targets.py mailtrap-imap MESSAGES [STORE]
"""

import signal
import sys
import threading
from typing import Any

_LISTENERS = ("smtp", "smtps", "submission", "lmtp", "pop3", "pop3s", "imap", "imaps", "http")


def _mailtrap(*listeners: str, **settings: Any) -> Any:
    """Ours with these listeners and no other, as a test uses it: in memory."""
    from mailtrap import MailServer

    off = {f"{name}_port": None for name in _LISTENERS if name not in listeners}
    return MailServer(**off, **settings).start()


def mailtrap() -> list[int]:
    """Ours: each message findable, with envelope, parameters and transcript."""
    return [_mailtrap("smtp").smtp.port]


def mailtrap_tls(certificate: str) -> list[int]:
    """Ours with a certificate that is given."""
    server = _mailtrap("smtp", "smtps", starttls="offered", tls_cert=certificate, tls_key=certificate)
    return [server.smtps.port, server.smtp.port]


def mailtrap_pop3(messages: str) -> list[int]:
    """Ours with mail to read."""
    from corpus import messages as generate

    server = _mailtrap("pop3")
    for message in generate(int(messages)):
        server.deliver(message, recipients="reader@example.com")
    return [server.pop3.port]


def mailtrap_imap(messages: str, store: str = "memory") -> list[int]:
    """The same over IMAP."""
    from corpus import messages as generate

    server = _mailtrap("imap", store=store)
    for message in generate(int(messages)):
        server.deliver(message, recipients="reader@example.com")
    return [server.imap.port]


def aiosmtpd() -> list[int]:
    """Plain aiosmtpd with the smallest handler that keeps the raw bytes."""
    return _aiosmtpd(({}, None))


def aiosmtpd_tls(certificate: str) -> list[int]:
    """The same with a context of the same kind and the same certificate."""
    from mailtrap.net.certificates import Certificates

    context = Certificates(cert_file=certificate).server_context()
    return _aiosmtpd(({}, context), ({"tls_context": context}, None))


def _aiosmtpd(*listeners: tuple[dict[str, Any], Any]) -> list[int]:
    """A listener for each pair: what SMTP is made with, and the context of implicit TLS."""
    import asyncio

    from aiosmtpd.smtp import SMTP

    class Keep:
        def __init__(self) -> None:
            self.kept: list[tuple[str, list[str], bytes]] = []

        async def handle_DATA(self, server, session, envelope):  # noqa: ARG002, N802
            self.kept.append((envelope.mail_from, envelope.rcpt_tos, envelope.original_content))
            return "250 OK"

    handler = Keep()
    loop = asyncio.new_event_loop()
    ports = []
    for settings, context in listeners:

        def make(settings: dict[str, Any] = settings) -> SMTP:
            return SMTP(handler, hostname="bench.test", loop=loop, **settings)

        server = loop.run_until_complete(loop.create_server(make, "127.0.0.1", 0, ssl=context))
        ports.append(server.sockets[0].getsockname()[1])
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return ports


def smtpdfix() -> list[int]:
    """smtpdfix, as its fixture starts it."""
    from processes import free_port
    from smtpdfix import AuthController

    port = free_port()  # it cannot bind port 0 itself
    AuthController(hostname="127.0.0.1", port=port).start()
    return [port]


_TARGETS = (mailtrap, mailtrap_tls, mailtrap_pop3, mailtrap_imap, aiosmtpd, aiosmtpd_tls, smtpdfix)

if __name__ == "__main__":
    start = next(target for target in _TARGETS if target.__name__.replace("_", "-") == sys.argv[1])
    print(*start(*sys.argv[2:]), flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
