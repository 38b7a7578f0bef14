"""Mail to read: as many messages as asked for, always the same ones, as programs send them.

Six in ten are plain text, three have an HTML alternative, one has an attachment; about 2.4 KB on average.
"""

import base64
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

_TEXT = (
    "account order invoice please your the a of and to confirm link click password reset thank you for delivery "
    "tomorrow address team regards update payment received shipped number question answer support hello welcome "
    "meeting report attached see below monthly summary total amount due date customer service newsletter today"
)
_WORDS = _TEXT.split()
_NAMES = ("Ann", "Bob", "Carol", "Dave", "Erin", "Frank", "Grace", "Heidi")
_START = datetime(2024, 1, 1, 8, tzinfo=UTC)


def messages(count: int, seed: int = 1) -> Iterator[bytes]:
    """So many messages, with CRLF."""
    draw = random.Random(seed)
    for number in range(count):
        sender, recipient = draw.sample(_NAMES, 2)
        kind = number % 10
        header = [
            f"Received: from app{number % 7}.example.com (app{number % 7}.example.com [192.0.2.{number % 250}])",
            f"\tby mx.example.com with ESMTP id {draw.getrandbits(64):016x}",
            f"Date: {format_datetime(_START + timedelta(minutes=number))}",
            f"From: {sender} <{sender.lower()}@example.com>",
            f"To: {recipient} <{recipient.lower()}@example.org>",
            f"Subject: {' '.join(draw.choices(_WORDS, k=5)).capitalize()} {number}",
            f"Message-ID: <{number}.{draw.getrandbits(64):016x}@example.com>",
            "MIME-Version: 1.0",
        ]
        if kind < 6:
            lines = [*header, *_text_part(draw, draw.randint(5, 49))]
        elif kind < 9:
            lines = [*header, *_multipart("alternative", number, _text_part(draw, draw.randint(5, 25)), _html(draw))]
        else:
            lines = [*header, *_multipart("mixed", number, _text_part(draw, 10), _attachment(draw, number))]
        yield "\r\n".join([*lines, ""]).encode()


def _text_part(draw: random.Random, lines: int) -> list[str]:
    text = [" ".join(draw.choices(_WORDS, k=draw.randint(3, 11))) for _ in range(lines)]
    if not draw.randrange(20):
        text[0] = ". " + text[0]  # what is stuffed on its way
    return ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 7bit", "", *text]


def _html(draw: random.Random) -> list[str]:
    rows = [f"<p>{' '.join(draw.choices(_WORDS, k=9))}</p>" for _ in range(draw.randint(5, 25))]
    head = ["Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: 7bit", ""]
    return [*head, "<html><body>", *rows, "</body></html>"]


def _attachment(draw: random.Random, number: int) -> list[str]:
    data = base64.encodebytes(draw.randbytes(draw.randint(1000, 6800))).decode().splitlines()
    return [
        f'Content-Type: application/pdf; name="report-{number}.pdf"',
        f'Content-Disposition: attachment; filename="report-{number}.pdf"',
        "Content-Transfer-Encoding: base64", "", *data,
    ]  # fmt: skip


def _multipart(subtype: str, number: int, *parts: list[str]) -> list[str]:
    boundary = f"=_{number:08d}"
    lines = [f'Content-Type: multipart/{subtype}; boundary="{boundary}"', ""]
    for part in parts:
        lines += [f"--{boundary}", *part]
    return [*lines, f"--{boundary}--"]


if __name__ == "__main__":
    sizes = [len(message) for message in messages(10_000)]
    print(f"{len(sizes)} messages, {sum(sizes):,} octets, {sum(sizes) / len(sizes):,.0f} on average")
