"""The log of ``mailtrap serve``."""

import io
import json
import threading

import pytest

from mailtrap import MailServer
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

    def write(self, text: str) -> int:
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


def test_who_does_not_read_it_any_more_costs_no_mail(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    stream.close()
    with logging_to(stream, "text"), MailServer(plugins=(Log(),)) as server:
        server.deliver(b"Subject: x\r\n\r\n", recipients="bob@example.org")
        assert server.errors == []
    assert "I/O operation on closed file" in capsys.readouterr().err
