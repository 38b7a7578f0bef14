"""The servers of a benchmark, each in a process of its own: prints its port, then holds every message.

python benchmarks/targets.py mailtrap|aiosmtpd|smtpdfix
"""

import signal
import sys
import threading


def mailtrap() -> int:
    """Ours, as a test uses it: in memory, findable, with envelope, parameters and transcript."""
    from mailtrap import MailServer

    off = {f"{name}_port": None for name in ("smtps", "submission", "lmtp", "pop3s", "imaps", "http", "pop3", "imap")}
    return MailServer(**off).start().smtp.port


def aiosmtpd() -> int:
    """Plain aiosmtpd with the smallest handler that keeps the raw bytes."""
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
    server = loop.run_until_complete(
        loop.create_server(lambda: SMTP(handler, hostname="bench.test", loop=loop), "127.0.0.1", 0)
    )
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return server.sockets[0].getsockname()[1]


def smtpdfix() -> int:
    """smtpdfix, as its fixture starts it."""
    import socket

    from smtpdfix import AuthController

    with socket.create_server(("127.0.0.1", 0)) as probe:  # it cannot bind port 0 itself
        port = probe.getsockname()[1]
    controller = AuthController(hostname="127.0.0.1", port=port)
    controller.start()
    return port


if __name__ == "__main__":
    port = {"mailtrap": mailtrap, "aiosmtpd": aiosmtpd, "smtpdfix": smtpdfix}[sys.argv[1]]()
    print(port, flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
