"""Routes learn late to put their addresses together."""

from typing import Any

import pytest
from flask import url_for
from werkzeug.routing import AnyConverter, BaseConverter, IntegerConverter, Rule

from mailtrap import MailServer
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
        server.load_http()
        assert http._app is not None
        server.load_http()
    MailServer(http_port=None).load_http()
