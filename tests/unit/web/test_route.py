"""Routes learn late to put their addresses together."""

import json
import threading
import urllib.request
from typing import Any

import pytest
from flask import url_for
from werkzeug.routing import AnyConverter, BaseConverter, IntegerConverter, Rule

from mailtrap import MailServer, parts, web
from mailtrap.web import create_app
from mailtrap.web.route import App


def test_addresses_are_those_of_werkzeugs_own_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    late = create_app(MailServer())
    monkeypatch.setattr(App, "url_rule_class", Rule)
    plain = create_app(MailServer())
    assert {type(rule) for rule in plain.url_map.iter_rules()} == {Rule}
    number = 0
    for rule in plain.url_map.iter_rules():
        values = {name: _value(converter) for name, converter in rule._converters.items()}
        addresses = []
        for app in (plain, late):
            with app.test_request_context():
                addresses.append([url_for(rule.endpoint, **values, more="x&y"), url_for(rule.endpoint, **values)])
        assert addresses[0] == addresses[1]
        number += 1
    assert number > 80


def _value(converter: BaseConverter) -> Any:
    if isinstance(converter, AnyConverter):
        return min(converter.items)
    return 7 if isinstance(converter, IntegerConverter) else "a b/ü"


def test_none_is_made_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    make = Rule._compile_builder

    def counted(rule: Rule, append_unknown: bool = True) -> object:
        made.append(rule.endpoint)
        return make(rule, append_unknown)

    monkeypatch.setattr(Rule, "_compile_builder", counted)
    app = create_app(MailServer())
    assert app.test_client().get("/livez").status_code == 200
    assert made == []
    with app.test_request_context():
        assert url_for("livez") == url_for("livez") == "/livez"
    assert made == ["livez"]


def test_http_is_loaded_when_it_is_told_to() -> None:
    with MailServer() as server:
        http = server._parts.http
        assert http is not None
        assert http._app is None
        first = server.send(b"Subject: Ready\r\n\r\ntext", recipients="bob@example.com")
        server.load_http()
        assert http._app is not None
        server.load_http()
        assert server.record_flags([first]) == {first.seq: frozenset()}  # it is as unread as before
        assert list(server.errors) == []
    MailServer(http_port=None).load_http()


def test_what_is_asked_first_was_made_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "QUIET", 0.001)
    made_ready = threading.Event()
    make = web.rehearse
    monkeypatch.setattr(web, "rehearse", lambda app: (make(app), made_ready.set()))
    with MailServer() as server:
        for number in range(3):
            server.send(b"Subject: %d\r\n\r\ntext" % number, recipients="bob@example.com")
        server.load_http()
        assert made_ready.wait(30)
        made = []
        monkeypatch.setattr(MailServer, "_raw", lambda *asked: made.append(asked), raising=True)
        with urllib.request.urlopen(f"{server.http.url}/api/v1/messages") as answer:
            assert [line["Subject"] for line in json.load(answer)["messages"]] == ["2", "1", "0"]
        assert made == []


def test_what_came_is_made_ready_when_no_more_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "QUIET", 0.001)
    asked: list[int] = []
    seen = threading.Condition()
    raw = MailServer._raw

    def counted(server: MailServer, seq: int) -> bytes:
        with seen:
            asked.append(seq)
            seen.notify_all()
        return raw(server, seq)

    monkeypatch.setattr(MailServer, "_raw", counted)
    with MailServer() as server:
        server.load_http()
        server.load_http()
        for number in range(3):
            server.send(b"Subject: %d\r\n\r\ntext" % number, recipients="bob@example.com")
        with seen:
            assert seen.wait_for(lambda: set(asked) == {1, 2, 3}, 30)
        assert list(server.errors) == []
    assert "mailtrap-quiet" not in {thread.name for thread in threading.enumerate()}


def test_what_goes_wrong_when_all_is_quiet_is_reported_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "QUIET", 0.001)
    tried = threading.Semaphore(0)

    def fails() -> None:
        tried.release()
        raise ValueError("not now")

    with MailServer() as server:
        server._parts.when_quiet(fails, fails)
        assert tried.acquire(timeout=30)
        server.deliver(b"Subject: x\r\n\r\n", recipients="bob@example.com")
        assert tried.acquire(timeout=30)
    assert [str(error) for error in server.errors] == ["not now"] * 2
