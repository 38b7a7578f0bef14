"""``/api/mailtrap/faults``: rules in writing. What they do is in ``tests/contract/test_remote_server.py``."""

import re

import pytest
from flask.testing import FlaskClient

from mailtrap import MailServer

FAULTS = "/api/mailtrap/faults"


@pytest.fixture
def server(running: MailServer) -> MailServer:
    return running


def test_a_rule_with_its_actions(server: MailServer, client: FlaskClient) -> None:
    asked = {
        "listener": "smtp", "command": "rcpt", "nth": 3, "match": {"recipient": {"matches": "^bob"}, "user": None},
        "actions": [{"action": "delay", "seconds": 0.5}, {"action": "respond_with", "reply": 450, "text": "busy"}],
    }  # fmt: skip
    answer = client.post(FAULTS, json=asked)
    assert answer.status_code == 201
    made = answer.json
    assert made == {
        "id": made["id"], "scope": "", "listener": "smtp", "command": "RCPT", "stage": "before", "nth": 3, "after": 0,
        "times": None, "match": {"recipient": {"matches": "^bob"}, "user": None}, "actions": asked["actions"],
        "hits": 0, "active": True,
    }  # fmt: skip
    assert client.get(FAULTS).json == [made]
    assert client.get(f"{FAULTS}/{made['id']}").json == made
    (rule,) = server.rules
    assert (rule.match["recipient"], rule.nth) == (re.compile("^bob"), 3)
    more = client.post(f"{FAULTS}/{made['id']}/actions", json={"action": "stall"}).json
    assert more["actions"][-1] == {"action": "stall"}
    assert client.post(f"{FAULTS}/{made['id']}/release").status_code == 200
    assert client.delete(f"{FAULTS}/{made['id']}").json == {"deleted": 1}
    assert client.get(FAULTS).json == []
    assert client.get(f"{FAULTS}/{made['id']}").status_code == 404


def test_rules_of_scopes(server: MailServer, client: FlaskClient) -> None:
    with server.scope("one") as scope:
        for name in ("", "one"):
            client.post(f"{FAULTS}?scope={name}", json={"listener": "imap", "command": "*", "actions": []})
        assert [each["scope"] for each in client.get(f"{FAULTS}?scope=*").json] == ["", "one"]
        assert client.delete(f"{FAULTS}?scope=one").json == {"deleted": 1}
        assert list(scope.rules) == []
    assert len(server.rules) == 1


def test_what_cannot_be_written_is_shown(server: MailServer, client: FlaskClient) -> None:
    server.smtp.on("DATA", sender=str.islower).run(print).raise_(ValueError("a bug"))
    (shown,) = client.get(FAULTS).json
    assert shown["actions"] == [
        {"action": "run", "function": "<built-in function print>"},
        {"action": "raise_", "error": "ValueError('a bug')"},
    ]
    assert "islower" in shown["match"]["sender"]


RULE = {"listener": "smtp", "command": "RCPT"}


@pytest.mark.parametrize(
    ("asked", "parameter"),
    [
        ({}, "listener"),
        ({"listener": "smtp"}, "command"),
        ({"listener": "smpt", "command": "RCPT"}, "listener"),
        ({"listener": "http", "command": "GET"}, None),
        ({"listener": "smtp", "command": 7}, "command"),
        (RULE | {"stages": "before"}, "stages"),
        (RULE | {"stage": "sometime"}, None),
        (RULE | {"nth": "2"}, None),
        (RULE | {"after": None}, None),
        (RULE | {"match": []}, "match"),
        (RULE | {"match": {"recipent": "bob"}}, None),
        (RULE | {"match": {"times": "2"}, "times": 2}, "match"),
        (RULE | {"match": {"recipient": {"matches": "("}}}, "recipient"),
        (RULE | {"match": {"recipient": 7}}, "recipient"),
        (RULE | {"actions": {}}, "actions"),
        (RULE | {"actions": ["stall"]}, "actions"),
        (RULE | {"actions": [{}]}, "action"),
        (RULE | {"actions": [{"action": "run", "function": "print"}]}, "action"),
        (RULE | {"actions": [{"action": "__init__"}]}, "action"),
        (RULE | {"actions": [{"action": "delay"}]}, "action"),
        (RULE | {"actions": [{"action": "delay", "seconds": "1"}]}, None),
        (RULE | {"actions": [{"action": "delay", "second": 1}]}, "second"),
        (RULE | {"actions": [{"action": "stall"}, {"action": "respond_with", "reply": "NO"}]}, None),
        (RULE | {"actions": [{"action": "respond_with", "reply": True}]}, None),
    ],
)
def test_bad_requests_make_no_rule(server: MailServer, client: FlaskClient, asked: object, parameter: object) -> None:
    answer = client.post(FAULTS, json=asked)
    assert (answer.status_code, answer.json["error"].get("parameter")) == (400, parameter)
    assert list(server.rules) == []
    assert not server.errors


@pytest.mark.parametrize("path", ["/7/release", "/7/actions"])
def test_no_such_rule(client: FlaskClient, path: str) -> None:
    assert client.post(FAULTS + path, json={"action": "stall"}).json["error"]["type"] == "NoSuchRule"
