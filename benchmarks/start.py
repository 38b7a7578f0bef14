"""From ``start()`` to the first 220, with every listener on, as one test pays for it. Each time a process of its own.

    python benchmarks/start.py [--rounds 20]

Fails where something heavy was imported on the way: Flask, trustme and sqlite3 are for whoever uses them.
"""

import argparse
import subprocess
import sys
from statistics import median

_SCRIPT = """
import socket, sys, time
from mailtrap import MailServer
server = MailServer(smtps_port=0, submission_port=0, lmtp_port=0, pop3s_port=0, imaps_port=0)
begun, spent = time.perf_counter(), time.process_time()
server.start()
started = time.perf_counter()
with socket.socket() as client:
    client.connect((server.smtp.host, server.smtp.port))
    assert client.recv(4) == b"220 "
greeted = time.perf_counter()
spent = time.process_time() - spent
heavy = {"flask", "werkzeug", "trustme", "cryptography", "sqlite3"} & set(sys.modules)
assert not heavy, heavy
server.stop()
print((started - begun) * 1000, (greeted - begun) * 1000, spent * 1000)
"""


def main() -> None:
    """Start so many servers and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="five rounds")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    runs = []
    for _ in range(5 if options.quick else options.rounds):
        found = subprocess.run([sys.executable, "-c", _SCRIPT], check=True, capture_output=True, text=True)
        runs.append([float(word) for word in found.stdout.split()])
    starts, greetings, spent = zip(*runs, strict=True)
    print("| milliseconds | median | least |")
    print("|---|---|---|")
    print(f"| start() | {median(starts):.2f} | {min(starts):.2f} |")
    print(f"| to the first 220 | {median(greetings):.2f} | {min(greetings):.2f} |")
    print(f"| CPU of it, with the client's | {median(spent):.2f} | {min(spent):.2f} |")


if __name__ == "__main__":
    main()
