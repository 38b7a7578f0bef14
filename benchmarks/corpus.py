"""Mail to read: as many messages as asked for, always the same ones, as programs send them.

``messages()``: six in ten are plain text, three have an HTML alternative, one has an attachment; about 2.4 KB on
average. ``mixed()``: 1 to 50 KB, with a language's many words, to list and to search.
"""

import base64
import os
import random
from array import array
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import accumulate
from pathlib import Path

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


# ---------------------------------------------------------------- mail to list and to search

SOUGHT = {
    "a rare word": "quillwort",
    "a common word": "monthly",
    "from:": "from:grace",
    "a phrase": '"quarterly revenue forecast"',
}
_SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu bra cle dri flo gru sta tre spi plo kru"
_FIRST = "ada alan anna ben carl cora dan dora emil eva finn flora grace hugo ida ivan jack jana karl kate leo lena"
_LAST = "adler brandt cole dietz evans fink grant hayes irwin jonas kern lange moore nagel otis pryor quinn reed tate"
_FIRSTS, _LASTS = _FIRST.split(), _LAST.split()
_LINES = 20_000


def mixed(count: int, seed: int = 2) -> Iterator[bytes]:
    """So many messages as they pile up in real life, with CRLF: 1 to 50 KB, 7 on average.

    Words are as frequent as in a language (Zipf's law), lines come again as those of templates do, and each
    message has numbers and links of its own. Four in ten are plain text, four have an HTML alternative, one is HTML
    alone in quoted-printable, one has an attachment. Of what is ``SOUGHT``, the rare word is in one message of 10,000,
    the common one in about a third, the sender wrote one in twenty, and the phrase is in one of a hundred.
    """
    draw = random.Random(seed)
    lines = _pool(draw)
    marked = [f"<p>{line}</p>" for line in lines]
    quoted = [f"<p>{line} caf=C3=A9</p>" for line in lines]
    blob = base64.encodebytes(draw.randbytes(60_000)).decode().splitlines()
    for number in range(count):
        kind = number % 10
        octets = int(1100 * 45 ** (draw.random() ** 2.4)) - 650
        own = _own_lines(draw, number)
        if kind < 4:
            content = _plain(own + _some(draw, lines, octets))
        elif kind < 8:
            text = _plain(own + _some(draw, lines, octets * 2 // 5))
            page = ["<html><body>", *_some(draw, marked, octets * 3 // 5), *own, "</body></html>"]
            content = _multipart("alternative", number, text, ["Content-Type: text/html; charset=utf-8", "", *page])
        elif kind == 8:
            content = ["Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: quoted-printable", ""]
            content += ["<html><body>", *(line.replace("=", "=3D") for line in own), *_some(draw, quoted, octets)]
        else:
            text = _plain(own + _some(draw, lines, 1500))
            content = _multipart("mixed", number, text, _attached(draw, number, blob, max(1, octets // 78)))
        yield "\r\n".join([*_header(draw, number, lines), *content, ""]).encode()


def _pool(draw: random.Random) -> list[str]:
    """Lines of text."""
    syllables = _SYLLABLES.split()
    made = sorted({"".join(draw.choices(syllables, k=draw.randint(2, 4))) for _ in range(24_000)})  # in some order
    draw.shuffle(made)
    words = [*(word for word in _WORDS if word != "monthly"), *made]
    weights = list(accumulate(1 / (rank + 3) for rank in range(len(words))))
    pool = [" ".join(draw.choices(words, cum_weights=weights, k=draw.randint(7, 13))) for _ in range(_LINES)]
    for every, word in ((90, "monthly"), (150, "quarterly"), (170, "revenue"), (190, "forecast")):
        for number in range(every // 2, _LINES, every):
            pool[number] += f" {word}"
    return pool


def _some(draw: random.Random, pool: list[str], octets: int) -> list[str]:
    """Lines of so many octets, about."""
    return draw.choices(pool, k=max(1, octets // 86))


def _own_lines(draw: random.Random, number: int) -> list[str]:
    """What no other message has."""
    token = f"{draw.getrandbits(96):024x}"
    lines = [f"Your order {number + 700_000} is confirmed: https://shop.example.com/orders/{number}?token={token}"]
    if number % 10_000 == 5_017 or number == 17:
        lines.append("A word that is seldom read: quillwort.")
    if number % 100 == 37:
        lines.append("Attached is the quarterly revenue forecast for all regions.")
    return lines


def _header(draw: random.Random, number: int, lines: list[str]) -> list[str]:
    first, last, reader = draw.choice(_FIRSTS), draw.choice(_LASTS), draw.choice(_FIRSTS)
    subject = lines[draw.randrange(_LINES)][:50].rpartition(" ")[0].capitalize()
    if number % 12 == 5:
        subject = f"=?utf-8?q?Best=C3=A4tigung_{number}?="
    return [
        f"Received: from app{number % 7}.example.com (app{number % 7}.example.com [192.0.2.{number % 250}])",
        f"\tby mx.example.com with ESMTP id {draw.getrandbits(64):016x};",
        f"\t{format_datetime(_START + timedelta(minutes=number))}",
        f"Date: {format_datetime(_START + timedelta(minutes=number))}",
        f"From: {first.capitalize()} {last.capitalize()} <{first}.{last}@app{number % 40}.example.com>",
        f"To: {reader.capitalize()} <{reader}@example.org>",
        f"Subject: {subject}",
        f"Message-ID: <{number}.{draw.getrandbits(64):016x}@example.com>",
        "MIME-Version: 1.0",
    ]


def _plain(text: list[str]) -> list[str]:
    return ["Content-Type: text/plain; charset=utf-8", "", *text]


def _attached(draw: random.Random, number: int, blob: list[str], lines: int) -> list[str]:
    start = draw.randrange(max(1, len(blob) - lines))
    return [
        f'Content-Type: application/pdf; name="report-{number}.pdf"',
        f'Content-Disposition: attachment; filename="report-{number}.pdf"',
        "Content-Transfer-Encoding: base64", "", *blob[start : start + lines],
    ]  # fmt: skip


class Mails:
    """Messages in a file, so that making them is no part of what is measured, and every process can read them."""

    def __init__(self, path: Path) -> None:
        self._offsets = array("Q", path.with_suffix(".at").read_bytes())
        self._file = path.open("rb", buffering=0)

    @classmethod
    def write(cls, path: Path, messages: Iterable[bytes]) -> "Mails":
        """Put messages into a file, and open it."""
        offsets = array("Q", [0])
        with path.open("wb") as file:
            for message in messages:
                offsets.append(offsets[-1] + file.write(message))
        path.with_suffix(".at").write_bytes(offsets.tobytes())
        return cls(path)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, number: int) -> bytes:
        start = self._offsets[number]
        return os.pread(self._file.fileno(), self._offsets[number + 1] - start, start)


if __name__ == "__main__":
    for make in (messages, mixed):
        sizes = sorted(len(message) for message in make(10_000))
        average = sum(sizes) / len(sizes)
        print(f"{make.__name__}: {sum(sizes):,} octets, {average:,.0f} on average, {sizes[0]:,} to {sizes[-1]:,}")
