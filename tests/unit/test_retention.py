"""Retention: how much is kept, that evictions are counted, logged and told, and what a wait says of them."""

import logging
import smtplib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailtrap import MailServer, MessageNotFound
from mailtrap.delivery.retention import Most, Retention
from mailtrap.errors import StoreError
from mailtrap.scopes import Scopes
from mailtrap.store.contract.common import BOB, PATIENCE, delivery, run_together
from mailtrap.store.memory import MemoryStore


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., MailServer]]:
    made: list[MailServer] = []

    def make_server(**settings: Any) -> MailServer:
        store = "memory" if request.param == "memory" else f"sqlite:///{tmp_path / 'mail.db'}"
        made.append(MailServer(store=store, **settings))
        return made[-1]

    yield make_server
    for server in made:
        server.stop()


def mail(number: int, body: str = "text") -> bytes:
    return f"From: ann@example.com\r\nTo: bob@example.com\r\nSubject: N{number}\r\n\r\n{body}\r\n".encode()


def send(server: MailServer, *numbers: int, body: str = "text") -> None:
    for number in numbers:
        server.send(mail(number, body), recipients="bob@example.com")


def numbers(server: MailServer) -> list[str]:
    return [message.subject for message in server.messages]


def until(server: MailServer, condition: Callable[[], bool]) -> None:
    server.wait_until(lambda: condition() or None, error=lambda _: AssertionError("it does not come"), timeout=PATIENCE)


def test_the_oldest_make_room(make: Callable[..., MailServer]) -> None:
    server = make(max_messages=3)
    send(server, *range(1, 8))
    until(server, lambda: server.tally().evicted == 4)
    assert numbers(server) == ["N5", "N6", "N7"]
    assert [copy.subject for copy in server.mailbox("bob@example.com").messages] == ["N5", "N6", "N7"]
    assert server.tally().messages == 3
    assert server.evicted.messages == 4
    assert [message.subject for message in server.evicted.newest] == ["N1", "N2", "N3", "N4"]
    assert server.evicted.reasons == ("max_messages = 3",)


def test_octets_are_counted_as_they_came(make: Callable[..., MailServer]) -> None:
    size = len(mail(1, "x" * 100))
    server = make(max_bytes=3 * size + 10)
    send(server, 1, 2, 3, 4, body="x" * 100)
    until(server, lambda: server.tally().evicted == 1)
    assert numbers(server) == ["N2", "N3", "N4"]
    send(server, 5, body="x" * 2 * size)
    until(server, lambda: server.tally().octets <= 3 * size + 10)
    assert numbers(server) == ["N5"]


def test_the_newest_stays_however_large_it_is(make: Callable[..., MailServer]) -> None:
    server = make(max_bytes=1000)
    send(server, 1, 2)
    send(server, 3, body="x" * 2000)
    until(server, lambda: server.tally().evicted == 2)
    send(server, 4)
    until(server, lambda: server.tally().evicted == 3)
    assert numbers(server) == ["N4"]


def test_what_is_too_old_goes_by_itself(make: Callable[..., MailServer]) -> None:
    server = make(max_age=0.05)
    send(server, 1, 2)
    until(server, lambda: server.tally().evicted == 2)
    assert server.evicted.reasons == ("max_age = 0.05",)


def test_much_is_evicted_in_parts_of_a_hundred(
    make: Callable[..., MailServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailtrap.delivery.retention._AT_ONCE", 3)
    server = make(max_messages=300)
    for number in range(301):
        server.deliver(mail(number), recipients="bob@example.com")
    until(server, lambda: server.tally().messages == 297)  # one part in a hundred more
    assert server.tally().evicted == 4
    send(server, 1, 2, 3)
    until(server, lambda: server.tally().messages == 300)
    assert server.tally().evicted == 4


def test_what_a_file_has_too_much_goes_at_the_start(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'mail.db'}"
    first = MailServer(store=store)
    send(first, 1, 2, 3, 4)
    first.stop()
    with MailServer(store=store, max_messages=2) as server:
        until(server, lambda: server.tally().messages == 2)
        assert numbers(server) == ["N3", "N4"]
    with MailServer(store=store) as server:
        assert server.tally().evicted == 2  # it is of the file, not of the process


def test_without_limits_nothing_goes_and_no_thread_is_there(make: Callable[..., MailServer]) -> None:
    server = make()
    send(server, *range(20))
    assert server.tally().messages == 20
    assert not [thread for thread in threading.enumerate() if thread.name == "mailtrap-retention"]


def test_each_is_logged_and_told(make: Callable[..., MailServer], caplog: pytest.LogCaptureFixture) -> None:
    server = make(max_messages=2)
    with caplog.at_level(logging.INFO, "mailtrap"):
        send(server, 1, 2, 3, 4)
        until(server, lambda: server.tally().evicted == 2)
        until(server, lambda: caplog.text.count("evicted ") == 2)
    assert "octets: max_messages = 2" in caplog.text


@pytest.mark.parametrize("remote", [False, True])
def test_a_wait_for_one_that_went_says_so(make: Callable[..., MailServer], remote: bool) -> None:
    server = make(max_messages=2)
    server.start()
    asked = MailServer.connect(server.http.url) if remote else server
    before = asked.mark()
    send(server, 1, 2, 3, 4)
    until(server, lambda: len(server.evicted.newest) == server.tally().evicted == 2)
    with pytest.raises(MessageNotFound) as caught:
        asked.message(subject="N1", timeout=0)
    text = str(caught.value)
    assert "2 messages of this scope made room for newer ones (max_messages = 2), and would have matched" in text
    assert "'N1'" in text
    with pytest.raises(MessageNotFound, match="made room") as caught:
        asked.message(recipients="bob@example.com", text="gone with it", since=before, timeout=0)
    assert "'N1'" in str(caught.value)  # its text is not known: it may have been the one
    with pytest.raises(MessageNotFound) as caught:
        asked.message(subject="N9", timeout=0)
    assert "made room for newer ones (max_messages = 2)\n" in str(caught.value)
    with pytest.raises(MessageNotFound) as caught:
        asked.message(subject="N1", since=asked.mark(), timeout=0)
    assert "made room" not in str(caught.value)
    asked.clear()
    with pytest.raises(MessageNotFound) as caught:
        asked.message(subject="N1", timeout=0)
    assert "made room" not in str(caught.value)
    asked.stop()


def test_it_is_told_to_whose_scope_it_was(make: Callable[..., MailServer]) -> None:
    server = make(max_messages=2)
    with server.scope("mine") as mine, server.scope("other") as other:
        mine.send(mail(1), recipients="bob@example.com")
        other.send(mail(2), recipients="bob@example.com")
        other.send(mail(3), recipients="bob@example.com")
        until(server, lambda: mine.tally().evicted == 1)
        assert other.evicted.messages == 0
        assert server.tally(all_scopes=True).evicted == 1


def test_the_counts_over_http(make: Callable[..., MailServer]) -> None:
    server = make(max_messages=2)
    server.start()
    send(server, 1, 2, 3)
    until(server, lambda: server.tally().evicted == 1)
    client = server._make_app().test_client()
    info = client.get("/api/mailtrap/info", base_url="http://localhost").json
    assert (info["tally"]["messages"], info["tally"]["evicted"]) == (2, 1)
    assert info["retention"] == {"max_messages": 2, "max_bytes": 0, "max_age": 0.0}
    evicted = client.get("/api/mailtrap/evicted", base_url="http://localhost").json
    assert (evicted["messages"], evicted["last"], evicted["reasons"]) == (1, 1, ["max_messages = 2"])
    assert evicted["newest"][0]["envelope"]["recipients"] == ["bob@example.com"]
    (scope,) = client.get("/api/mailtrap/scopes", base_url="http://localhost").json
    assert (scope["messages"], scope["evicted"]) == (2, 1)
    stats = client.get("/api/v1/info", base_url="http://localhost").json
    assert (stats["Messages"], stats["Unread"], stats["RuntimeStats"]["MessagesDeleted"]) == (2, 2, 1)
    with MailServer.connect(server.http.url) as remote:
        assert remote.tally() == server.tally()


def test_under_load_from_several_sides_it_holds(make: Callable[..., MailServer]) -> None:
    server = make(max_messages=10)
    server.start()

    def run() -> None:
        with smtplib.SMTP(server.smtp.host, server.smtp.port) as smtp:
            for number in range(15):
                smtp.sendmail("a@example.com", ["bob@example.com"], mail(number))

    run_together(*[run] * 4)
    until(server, lambda: server.tally().messages == 10)
    assert server.tally().evicted == 50
    assert len(server.messages) == 10
    assert server.errors == []


def test_a_removal_that_fails_is_reported_and_tried_again_later() -> None:
    class Failing(MemoryStore):
        blocking = True
        fails = True

        def remove(self, seqs: Any, *, evicted: bool = False) -> int:
            if self.fails:
                raise StoreError("not now")
            count = super().remove(seqs, evicted=evicted)
            removed.set()
            return count

    store, reported = Failing(), list[BaseException]()
    failed, removed = threading.Event(), threading.Event()

    def report(error: BaseException) -> None:
        reported.append(error)
        failed.set()

    retention = Retention(store, Scopes({}), Most(messages=1), report)
    store.subscribe_hints(retention.hint)
    for _ in range(2):
        store.deliver(delivery(BOB))
    assert failed.wait(PATIENCE)
    assert str(reported[0]) == "not now"
    store.fails = False
    store.deliver(delivery(BOB))
    assert removed.wait(PATIENCE)
    retention.close()
    assert store.tally().messages == 1
