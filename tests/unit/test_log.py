"""The log of ``mailtrap serve``."""

import io
import json
import logging
import os
import threading

import pytest

from mailtrap import MailServer, clock, log
from mailtrap.log import Log, logging_to


def test_a_line_for_each_mail_in_order() -> None:
    stream = io.StringIO()
    with logging_to(stream, "json"), MailServer(plugins=(Log(),)) as server:
        ids = [server.deliver(b"Subject: x\r\n\r\n", recipients=f"{number}@example.org").id for number in range(50)]
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["message"].split(" from ")[0] for line in lines] == [f"kept {id_}" for id_ in ids]
    assert {line["level"] for line in lines} == {"info"}
    assert lines[7]["message"].endswith(" to 7@example.org, 14 octets")


class Stalled(io.StringIO):
    """What nobody reads for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.read = threading.Event()  # type: ignore[assignment]
        self.written = threading.Event()

    def write(self, text: str) -> int:
        self.written.set()
        self.read.wait()
        return super().write(text)


def test_mail_does_not_wait_for_who_reads_the_log() -> None:
    stream = Stalled()
    with logging_to(stream, "text"), MailServer(plugins=(Log(),)) as server:
        for _ in range(20):  # which would not end if it waited
            server.deliver(b"Subject: x\r\n\r\n", recipients="bob@example.org")
        assert stream.getvalue() == ""
        stream.read.set()
    assert stream.getvalue().count(" kept ") == 20


def test_the_end_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that is full, or a terminal that was stopped."""
    monkeypatch.setattr(log, "_PATIENCE", 0.05)
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading, "rb", 0) as reader:
        with logging_to(stream, "text"):
            for number in range(2_000):  # more than a pipe takes
                logging.getLogger("mailtrap").info("%d %s", number, "x" * 50)
            (thread,) = [thread for thread in threading.enumerate() if thread.name == "mailtrap-log"]
        assert thread.is_alive()
        os.set_blocking(reading, False)
        read = b""
        while thread.is_alive():  # until it has room to end what it was at
            read += reader.read(1 << 16) or b""
            clock.sleep(0.001)
        while more := reader.read(1 << 16):
            read += more
    lines = read.splitlines()
    assert [line.split()[2] for line in lines] == [b"%d" % number for number in range(2_000)]


def test_afterwards_all_is_as_it_was() -> None:
    mailtrap = logging.getLogger("mailtrap")
    before = mailtrap.level, list(mailtrap.handlers)
    with logging_to(io.StringIO(), "text"):
        assert (mailtrap.level, len(mailtrap.handlers)) == (logging.INFO, len(before[1]) + 1)
    assert (mailtrap.level, list(mailtrap.handlers)) == before


def test_without_a_stream_nothing_is_written() -> None:
    handlers = list(logging.getLogger("mailtrap").handlers)
    with logging_to(None, "text"):
        assert logging.getLogger("mailtrap").handlers == handlers


def test_what_is_too_much_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_MOST", 5)
    stream = Stalled()
    with logging_to(stream, "text"):
        logging.getLogger("mailtrap").info("first")
        stream.written.wait()  # it is on its way, and has left the queue
        for number in range(8):
            logging.getLogger("mailtrap").info("%d", number)
        stream.read.set()
    assert [line.rpartition(",")[2].partition(" ")[2] for line in stream.getvalue().splitlines()[:-1]] == [
        "first", *map(str, range(5)),
    ]  # fmt: skip
    assert stream.getvalue().endswith("\n3 lines of the log were lost: nobody read it\n")


def test_who_does_not_read_it_any_more_costs_no_mail(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    stream.close()
    with logging_to(stream, "text"), MailServer(plugins=(Log(),)) as server:
        server.deliver(b"Subject: x\r\n\r\n", recipients="bob@example.org")
        assert server.errors == []
    assert "I/O operation on closed file" in capsys.readouterr().err
