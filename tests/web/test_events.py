"""Server-sent events over real sockets: wake-up, resuming, and the end at the server's stop."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from mailtrap import MailServer
from mailtrap.web import create_app

MAIL = b"Subject: %s\r\n\r\nbody\r\n"


class Event(NamedTuple):
    kind: str
    id: str
    data: Any


class Stream:
    """What a browser's EventSource does."""

    def __init__(self, server: MailServer, query: str = "", last: str | None = None) -> None:
        self.connection = http.client.HTTPConnection(server.http.host, server.http.port, timeout=10)
        headers = {} if last is None else {"Last-Event-ID": last}
        self.connection.request("GET", f"/api/mailtrap/events{query}", headers=headers)
        self.response = self.connection.getresponse()
        assert (self.response.status, self.response.headers["Content-Type"]) == (
            200, "text/event-stream; charset=utf-8",
        )  # fmt: skip

    def next(self) -> Event | None:
        """The next event; None at the end of the stream."""
        found = {"event": "", "id": "", "data": ""}
        while line := self.response.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name in found:
                found[name] = value
            elif not name and found["event"]:
                return Event(found["event"], found["id"], json.loads(found["data"]))
        return None

    def until(self, kind: str) -> Event:
        while (event := self.next()) is not None:
            if event.kind == kind:
                return event
        raise AssertionError(f"the stream ended without {kind}")


@contextmanager
def stream(server: MailServer, query: str = "", last: str | None = None) -> Iterator[Stream]:
    opened = Stream(server, query, last)
    try:
        yield opened
    finally:
        opened.connection.close()


def put(server: MailServer, subject: str) -> str:
    return server.send(MAIL % subject.encode(), recipients=["bob@example.com"]).id


def test_a_message_is_told_when_it_comes(running: MailServer) -> None:
    put(running, "before")
    with stream(running) as events:
        assert events.until("ready").id == f"{running.mark().life}:1"
        id_ = put(running, "now")
        event = events.until("message")
        assert (event.data["id"], event.data["subject"]) == (id_, "now")
        assert event.id == f"{running.mark().life}:2"


def test_other_changes_are_told(running: MailServer) -> None:
    put(running, "x")
    with stream(running) as events:
        events.until("ready")
        running.record().set_flags(running.record().messages, ["\\Seen"])
        events.until("change")
        running.clear()
        events.until("change")


def test_who_comes_back_misses_nothing(running: MailServer) -> None:
    with stream(running) as events:
        events.until("ready")
        put(running, "0")
        last = events.until("message").id
    for number in range(1, 600):
        put(running, str(number))
    with stream(running, last=last) as events:
        assert [events.until("message").data["subject"] for _ in range(1, 600)] == [str(n) for n in range(1, 600)]
        put(running, "live")
        assert events.until("message").data["subject"] == "live"
    with stream(running, f"?since={last}") as events:
        assert events.until("message").data["subject"] == "1"


def test_another_life_is_told(running: MailServer) -> None:
    put(running, "x")
    with stream(running, last="elsewhere:900") as events:
        first = events.next()
        assert first is not None
        assert first.kind == "restarted"
        assert events.until("message").data["subject"] == "x"


def test_scopes_are_told_apart(running: MailServer) -> None:
    with running.scope("inner") as inner, stream(running, "?scope=inner") as own, stream(running, "?scope=*") as every:
        own.until("ready")
        every.until("ready")
        running.send(MAIL % b"outer", recipients=["a@example.com"])
        inner.send(MAIL % b"inner", recipients=["a@inner.test"])
        assert own.until("message").data["subject"] == "inner"
        assert [every.until("message").data["subject"] for _ in range(2)] == ["outer", "inner"]


@pytest.mark.parametrize("number", [1, 12])
def test_streams_end_promptly_at_the_stop(number: int) -> None:
    server = MailServer().start()
    opened = [Stream(server) for _ in range(number)]
    for events in opened:
        events.until("ready")
    ends: list[Event | None] = []

    def read(events: Stream) -> None:
        try:
            while (event := events.next()) is not None and event.kind == "change":
                pass
        except OSError:
            event = None
        ends.append(event)

    threads = [threading.Thread(target=read, args=(events,)) for events in opened]
    for thread in threads:
        thread.start()
    server.stop()
    for thread in threads:
        thread.join(5)
    assert ends == [None] * number
    for events in opened:
        events.connection.close()


def test_a_bad_mark_is_400_and_head_has_no_end(server: MailServer) -> None:
    client = create_app(server).test_client()
    assert client.get("/api/mailtrap/events?since=x").status_code == 400
    assert client.get("/api/mailtrap/events", headers={"Last-Event-ID": "x"}).status_code == 400
    assert client.head("/api/mailtrap/events").data == b""
