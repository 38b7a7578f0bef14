"""TLS: connections that begin with a handshake, beside aiosmtpd with the same context in one run, as ratios.

    python benchmarks/handshakes.py [--quick] [--rounds 5]

A connection is: handshake, greeting, QUIT. Each handshake is a whole one: the client keeps no session. Both servers
have one certificate (EC, as ours makes them). CPU is the server's; handshakes/s are one client's on another core.
"""

import argparse
import socket
import ssl
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import trustme
from processes import busy_seconds, cores, target

_MODES = ("implicit TLS", "STARTTLS")


def _until(sock: socket.socket, last: bytes) -> None:
    data = b""
    while last not in data or not data.endswith(b"\n"):
        piece = sock.recv(4096)
        if not piece:
            raise EOFError(f"the server has ended the connection after {data!r}")
        data += piece


def connect(port: int, context: ssl.SSLContext, mode: str) -> None:
    """One connection, from its beginning to its end."""
    with socket.create_connection(("127.0.0.1", port), 60) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if mode == "STARTTLS":
            _until(plain, b"220 ")
            plain.sendall(b"EHLO client.example.com\r\n")
            _until(plain, b"250 ")
            plain.sendall(b"STARTTLS\r\n")
            _until(plain, b"220 ")
        with context.wrap_socket(plain, server_hostname="localhost") as sock:
            if mode == "implicit TLS":
                _until(sock, b"220 ")
            sock.sendall(b"QUIT\r\n")
            _until(sock, b"221 ")


def measure(name: str, pem: Path, context: ssl.SSLContext, mode: str, number: int) -> tuple[float, float]:
    """One run with a fresh server: connections per second, and milliseconds of the server's CPU for each."""
    core, _ = cores()
    with target(name, str(pem), core=core) as (ports, pid):
        port = ports[_MODES.index(mode)]
        for _ in range(10):
            connect(port, context, mode)
        begun, spent = time.perf_counter(), busy_seconds(pid)
        for _ in range(number):
            connect(port, context, mode)
        return number / (time.perf_counter() - begun), (busy_seconds(pid) - spent) * 1000 / number


def main() -> None:
    """Run both modes for both servers, in turns, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a quarter of the connections, one round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rounds, number = (1, 100) if options.quick else (options.rounds, 400)
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    print("| TLS | mailtrap handshakes/s | CPU ms | handshakes/s of ours / aiosmtpd | CPU of aiosmtpd / ours |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder) / "certificate.pem"
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
        for mode in _MODES:
            runs: dict[str, list[tuple[float, float]]] = {"mailtrap-tls": [], "aiosmtpd-tls": []}
            for _ in range(rounds):
                for name, found in runs.items():
                    found.append(measure(name, pem, context, mode, number))
            (rate, cpu), (their_rate, their_cpu) = (
                tuple(map(median, zip(*found, strict=True))) for found in runs.values()
            )
            print(f"| {mode} | {rate:.0f} | {cpu:.2f} | {rate / their_rate:.2f} | {their_cpu / cpu:.2f} |")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
