"""``/api/mailtrap/``: waits, lists, changes, and what goes wrong."""

import json
import threading
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from mailtrap import MailServer
from mailtrap.web import create_app

MAIL = b"From: Ann <ann@example.com>\r\nTo: bob@example.com\r\nSubject: %s\r\nX-Run: 7\r\n\r\nbody\r\n"


def send(server: MailServer, subject: str = "Hello", to: str = "bob@example.com") -> str:
    return server.send(MAIL % subject.encode(), recipients=[to], mail_from="ann@example.com").id


# ---------------------------------------------------------------- waits


@pytest.mark.parametrize(
    "query",
    [
        "to=bob@example.com",
        "subject=Hello",
        "subject_matches=^H.*o$",
        "from=ann@example.com",
        "from_=ann@example.com",
        "header=X-Run:%207",
        "header_matches=x-run:%20[0-9]",
        "recipients=bob@example.com&subject=Hello",
        "mail_from=ann@EXAMPLE.com",
        "origin=http",
        "text_matches=bod",
        "",
    ],
)
def test_a_wait_finds_by_query(server: MailServer, client: FlaskClient, query: str) -> None:
    id_ = send(server)
    found = client.get(f"/api/mailtrap/wait?{query}").json
    assert found["found"] is True
    assert found["message"]["id"] == id_
    assert found["message"]["headers"][0] == ["From", "Ann <ann@example.com>"]


@pytest.mark.parametrize(
    "asked",
    [
        {"to": ["bob@example.com"]},
        {"subject": {"matches": "ell"}},
        {"header": {"X-Run": "7", "X-None": None}},
        {"to": [{"matches": "^bob"}], "timeout": 1},
        {"from": "ann@example.com", "latest": True},
    ],
)
def test_a_wait_finds_by_json(server: MailServer, client: FlaskClient, asked: dict[str, Any]) -> None:
    id_ = send(server)
    assert client.post("/api/mailtrap/wait", json=asked).json["message"]["id"] == id_


def test_two_values_mean_both(server: MailServer, client: FlaskClient) -> None:
    server.send(MAIL % b"x", recipients=["b@x.test", "c@x.test"])
    assert client.get("/api/mailtrap/wait?recipients=c@x.test&recipients=b@x.test").json["found"]
    assert not client.get("/api/mailtrap/wait?recipients=c@x.test&recipients=d@x.test&timeout=0").json["found"]


def test_a_wait_in_vain_explains_itself(server: MailServer, client: FlaskClient) -> None:
    send(server)
    answer = client.get("/api/mailtrap/wait?subject=Other&timeout=0.01")
    assert answer.status_code == 200
    assert answer.json["found"] is False
    assert "subject is 'Hello', not 'Other'" in answer.json["explanation"]


def test_an_ambiguous_wait_lists_what_matches(server: MailServer, client: FlaskClient) -> None:
    ids = [send(server), send(server)]
    found = client.get("/api/mailtrap/wait?subject=Hello").json
    assert (found["found"], found["ambiguous"]) == (False, True)
    assert [message["id"] for message in found["messages"]] == ids
    assert client.get("/api/mailtrap/wait?subject=Hello&latest=1").json["message"]["id"] == ids[1]
    several = client.get("/api/mailtrap/wait?at_least=2").json
    assert [message["id"] for message in several["messages"]] == ids


def test_since_sees_what_came_after(server: MailServer, client: FlaskClient) -> None:
    send(server)
    mark = client.get("/api/mailtrap/mark").json["mark"]
    assert not client.get(f"/api/mailtrap/wait?since={mark}&timeout=0").json["found"]
    id_ = send(server)
    assert client.get(f"/api/mailtrap/wait?since={mark}").json["message"]["id"] == id_
    other = client.get("/api/mailtrap/wait?since=elsewhere:1")
    assert (other.status_code, other.json["error"]["type"]) == (409, "ServerRestarted")


def test_a_wait_is_for_one_scope(server: MailServer, client: FlaskClient) -> None:
    with server.scope("inner") as inner:
        send(inner, "Inside", "bob@inner.test")
    assert not client.get("/api/mailtrap/wait?subject=Inside&timeout=0").json["found"]
    assert client.get("/api/mailtrap/wait?subject=Inside&scope=inner").json["found"]
    assert client.post("/api/mailtrap/wait", json={"subject": "Inside", "scope": "inner"}).json["found"]
    assert client.get("/api/mailtrap/wait?scope=*").status_code == 400
    assert client.get("/api/mailtrap/wait?scope=other").status_code == 404


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("subjct=x", "subjct"),
        ("timeout=soon", "timeout"),
        ("timeout=-1", "timeout"),
        ("timeout=nan", "timeout"),
        ("timeout=1e9", "timeout"),
        ("subject_matches=(", "subject_matches"),
        ("header=x", "header"),
        ("since=1", "since"),
        ("since=a:b", "since"),
        ("latest=maybe", "latest"),
        ("at_least=0", "at_least"),
        ("subject=a&subject_matches=b", "subject_matches"),
        ("where=1", "where"),
    ],
)
def test_bad_parameters_are_400_and_named(client: FlaskClient, query: str, parameter: str) -> None:
    answer = client.get(f"/api/mailtrap/wait?{query}")
    assert answer.status_code == 400
    assert answer.json["error"]["parameter"] == parameter
    assert answer.json["error"]["type"] == "BadParameter"


@pytest.mark.parametrize(
    "asked",
    [
        {"to": 7},
        {"to": [["x"]]},
        {"to": {"like": "x"}},
        {"header": "x"},
        {"subject": {"matches": 1}},
        {"scope": 1},
        {"timeout": True},
        {"where": "x"},
        {"subject": None},
        {"from": "a", "from_": "a"},
        {"since": 5},
    ],
)
def test_bad_json_is_400(client: FlaskClient, asked: dict[str, Any]) -> None:
    assert client.post("/api/mailtrap/wait", json={"timeout": 0, **asked}).status_code == 400


@pytest.mark.parametrize("body", [b"[]", b"x", b"[" * 100_000])
def test_a_body_that_is_no_object_is_400(client: FlaskClient, body: bytes) -> None:
    assert client.post("/api/mailtrap/wait", data=body).status_code == 400


def test_waits_do_not_hinder_each_other(running: MailServer) -> None:
    app = create_app(running)
    found: dict[int, str] = {}
    begun = threading.Barrier(9)

    def wait(number: int) -> None:
        begun.wait()
        answer = app.test_client().get(f"/api/mailtrap/wait?subject=Number {number}&timeout=20").json
        found[number] = answer["message"]["subject"]

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    begun.wait()
    for number in reversed(range(8)):
        send(running, f"Number {number}")
    for thread in threads:
        thread.join(20)
    assert found == {number: f"Number {number}" for number in range(8)}


def test_settled_and_command(server: MailServer, client: FlaskClient) -> None:
    assert client.get("/api/mailtrap/settled").json == {"settled": True}
    found = client.get("/api/mailtrap/command?command=IDLE&timeout=0").json
    assert found["found"] is False
    assert "IDLE" in found["explanation"]
    assert client.get("/api/mailtrap/command").status_code == 400


# ---------------------------------------------------------------- lists


def test_messages_in_pages(server: MailServer, client: FlaskClient) -> None:
    ids = [send(server, str(number)) for number in range(5)]
    server.deliver(MAIL % b"placed", recipients="bob@example.com")
    found = client.get("/api/mailtrap/messages?limit=2").json
    assert [message["subject"] for message in found["messages"]] == ["placed", "4"]
    after = found["messages"][1]["seq"]
    assert [m["id"] for m in client.get(f"/api/mailtrap/messages?before={after}&limit=2").json["messages"]] == [
        ids[3],
        ids[2],
    ]
    oldest = client.get("/api/mailtrap/messages?order=oldest&after=1&limit=1&as=received").json
    assert oldest["messages"][0]["id"] == ids[1]
    assert oldest["messages"][0]["envelope"]["recipients"] == ["bob@example.com"]


@pytest.mark.parametrize("query", ["order=random", "as=poem", "limit=-1", "limit=100000", "after=x", "colour=red"])
def test_bad_pages_are_400(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/api/mailtrap/messages?{query}")
    assert (answer.status_code, answer.json["error"]["parameter"]) == (400, query.partition("=")[0])


def test_another_life_is_409(client: FlaskClient) -> None:
    assert client.get("/api/mailtrap/messages", headers={"Mailtrap-Life": "other"}).status_code == 409


def test_one_message_its_bytes_and_copies(server: MailServer, client: FlaskClient) -> None:
    id_ = send(server)
    assert client.get(f"/api/mailtrap/messages/{id_}").json["text"] == "body\n"
    assert client.get(f"/api/mailtrap/messages/{id_}/raw").data == MAIL % b"Hello"
    (copy,) = client.get(f"/api/mailtrap/messages/{id_}/copies").json
    assert (copy["mailbox"]["account"], copy["uid"], copy["flags"]) == ("bob@example.com", 1, [])
    assert client.delete(f"/api/mailtrap/messages/{id_}").json == {"deleted": 1}
    assert client.get(f"/api/mailtrap/messages/{id_}").status_code == 404


def test_deliver(server: MailServer, client: FlaskClient) -> None:
    raw = b"Subject: x\n\n\xff"
    answer = client.post(
        "/api/mailtrap/messages?recipient=a@x.test&recipient=b@x.test&mail_from=c@x.test&mailbox=Sent"
        "&flag=\\Seen&flag=kept&internal_date=2026-07-20T14:03:00Z",
        data=raw,
    )
    assert (answer.status_code, answer.json["origin"]) == (201, "deliver")
    (copy,) = server.mailbox("b@x.test", "Sent").messages
    assert (copy.raw, copy.flags, copy.mail_from) == (raw, {"\\Seen", "kept"}, "c@x.test")
    assert copy.internal_date.isoformat() == "2026-07-20T14:03:00+00:00"
    assert not client.get("/api/mailtrap/wait?timeout=0").json["found"]
    answer = client.post("/api/mailtrap/messages?recipient=a@x.test&origin=http", data=raw)
    assert answer.json["origin"] == "http"
    assert client.post("/api/mailtrap/messages", data=raw).json["error"]["parameter"] == "recipient"
    bad = client.post("/api/mailtrap/messages?recipient=a@x.test&internal_date=now", data=raw)
    assert bad.json["error"]["parameter"] == "internal_date"
    assert client.post("/api/mailtrap/messages?recipient=all", data=raw).status_code == 403


def test_clear_and_delete_by_id(server: MailServer, client: FlaskClient) -> None:
    ids = [send(server) for _ in range(4)]
    assert client.delete("/api/mailtrap/messages", json={"ids": ids[:1]}).json == {"deleted": 1}
    assert client.delete("/api/mailtrap/messages", json={"ids": "x"}).status_code == 400
    assert client.delete("/api/mailtrap/messages", json={"submitted": "x"}).status_code == 400
    assert client.delete("/api/mailtrap/messages", json={"submitted": True, "ids": []}).status_code == 400
    assert len(server.messages) == 3
    assert client.delete("/api/mailtrap/messages").json == {"deleted": 3}
    assert not server.messages


def test_sessions(running: MailServer) -> None:
    import smtplib

    client = create_app(running).test_client()
    with smtplib.SMTP(running.smtp.host, running.smtp.port, local_hostname="me.test") as smtp:
        smtp.ehlo()
        (session,) = client.get("/api/mailtrap/sessions?open=true").json
        assert (session["protocol"], session["helo"], session["open"]) == ("smtp", "me.test", True)
        whole = client.get(f"/api/mailtrap/sessions/{session['id']}").json
        assert whole["commands"][0]["verb"] == "EHLO"
        assert "me.test" in whole["transcript"]
        client.post(f"/api/mailtrap/sessions/{session['id']}/disconnect")
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
            smtp.noop()
        smtp.close()
    assert client.get("/api/mailtrap/sessions/none").status_code == 404


def test_refusals(server: MailServer, client: FlaskClient) -> None:
    server.configure(max_message_size=10)
    with pytest.raises(Exception, match=r"552 5\.3\.4"):
        send(server)
    (refusal,) = client.get("/api/mailtrap/refused").json
    assert (refusal["stage"], refusal["reply"][:3], refusal["has_raw"]) == ("POST", "552", True)
    assert client.get(f"/api/mailtrap/refused/{refusal['id']}/raw").data == MAIL % b"Hello"
    assert "bob@example.com" in client.get(f"/api/mailtrap/refused/{refusal['id']}").json["transcript"]
    assert client.get("/api/mailtrap/refused/none").status_code == 404


def test_quotas_rights_and_annotations(server: MailServer, client: FlaskClient) -> None:
    inbox = server.add_account("bob@example.com").mailbox()._id
    account = "/api/mailtrap/accounts/bob@example.com"
    assert client.patch(account, json={"message_quota": 3}).json["message_quota"] == 3
    for wrong in ({"quota": -1}, {"quota": "x"}, {"quotas": 1}):
        assert client.patch(account, json=wrong).status_code == 400
    assert client.get(account).json["message_quota"] == 3
    rights = f"/api/mailtrap/mailboxes/{inbox}/rights"
    assert client.post(rights, json={"who": "eve@example.com", "rights": "rl"}).json["acl"] == {"eve@example.com": "lr"}
    for wrong in (
        {"rights": "lr"},
        {"who": "eve@example.com", "rights": "q"},
        {"who": "x", "rights": 1},
        {"whom": "x"},
    ):
        assert client.post(rights, json=wrong).status_code == 400
    assert client.post(rights, json={"who": "eve@example.com", "rights": None}).json["acl"] == {}
    for path in (f"/api/mailtrap/mailboxes/{inbox}/annotations", "/api/mailtrap/annotations?account=bob@example.com"):
        assert client.post(path, json={"/shared/a": "/wA="}).json == {"/shared/a": "/wA="}
        assert client.post(path, json={"/shared/a": "not base64!"}).status_code == 400
        assert client.post(path, json={"/vendor/a": "/wA="}).status_code >= 400
        assert client.get(path).json == {"/shared/a": "/wA="}
        assert client.post(path, json={"/shared/a": None}).json == {}
    assert client.get("/api/mailtrap/annotations").status_code == 400


def test_accounts_and_mailboxes(server: MailServer, client: FlaskClient) -> None:
    answer = client.post("/api/mailtrap/accounts", json={"address": "Bob@Example.com", "password": "pw", "quota": 5000})
    assert (answer.status_code, answer.json["address"]) == (201, "bob@example.com")
    send(server)
    (account,) = client.get("/api/mailtrap/accounts").json
    used = account.pop("used")
    assert account == {
        "address": "bob@example.com", "scope": "", "password": "pw", "quota": 5000, "message_quota": None,
    }  # fmt: skip
    assert used["messages"] == 1
    inbox = client.get("/api/mailtrap/accounts/bob@example.com").json["mailboxes"][0]
    assert (inbox["name"], inbox["messages"], inbox["unseen"]) == ("INBOX", 1, 1)
    made = client.post(
        "/api/mailtrap/mailboxes", json={"account": "bob@example.com", "name": "Old/2026", "special_use": "\\Archive"}
    )
    assert (made.status_code, made.json["special_use"]) == (201, ["\\Archive"])
    again = client.post("/api/mailtrap/mailboxes", json={"account": "bob@example.com", "name": "Old/2026"})
    assert (again.status_code, again.json["error"]["type"]) == (409, "MailboxExists")
    names = [box["name"] for box in client.get("/api/mailtrap/mailboxes?account=bob@example.com").json]
    assert names == ["INBOX", "Old", "Old/2026"]
    url = f"/api/mailtrap/mailboxes/{inbox['id']}"
    changed = client.post(f"{url}/flags", json={"uids": [1, 9], "flags": ["\\Flagged"], "mode": "add"})
    assert [(copy["uid"], copy["flags"]) for copy in changed.json] == [(1, ["\\Flagged"])]
    assert client.post(f"{url}/copy", json={"uids": [1], "to": "Old/2026"}).json == {"uids": [[1, 1]]}
    assert client.post(f"{url}/move", json={"uids": [1], "to": "Old/2026"}).json == {"uids": [[1, 2]]}
    assert client.post(f"{url}/move", json={"uids": [1], "to": "None"}).status_code == 404
    assert client.post(f"{url}/copies?flag=\\Deleted", data=b"x").status_code == 201
    assert client.get(f"{url}/copies").json[0]["flags"] == ["\\Deleted"]
    assert client.get(f"{url}/copies?uid=1").json == []
    assert client.post(f"{url}/expunge", json={}).json["messages"] == 0
    assert client.post(f"{url}/renumber", json={}).json["uidvalidity"] > inbox["uidvalidity"]
    assert client.patch(f"/api/mailtrap/mailboxes/{made.json['id']}", json={"name": "New"}).json["name"] == "New"
    assert client.delete(f"/api/mailtrap/mailboxes/{made.json['id']}").status_code == 200
    assert client.get(f"/api/mailtrap/mailboxes/{made.json['id']}").json["error"]["type"] == "NoSuchMailbox"
    assert client.delete("/api/mailtrap/accounts/bob@example.com").status_code == 200
    assert client.get("/api/mailtrap/accounts/bob@example.com").status_code == 404
    assert client.get("/api/mailtrap/accounts").json == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("flags", {"uids": "1", "flags": []}),
        ("flags", {"uids": [True], "flags": []}),
        ("flags", {"uids": [1], "flags": "x"}),
        ("flags", {"uids": [1], "flags": [], "mode": "x"}),
        ("copy", {"uids": [1]}),
        ("move", {"to": "x"}),
        ("expunge", {"uid": [1]}),
        ("renumber", {"x": 1}),
    ],
)
def test_bad_changes_are_400(server: MailServer, client: FlaskClient, path: str, body: dict[str, Any]) -> None:
    id_ = server.add_account("bob@example.com").mailbox().row.id
    assert client.post(f"/api/mailtrap/mailboxes/{id_}/{path}", json=body).status_code == 400


def test_scopes_settings_errors_tokens(server: MailServer, client: FlaskClient) -> None:
    made = client.post("/api/mailtrap/scopes", json={"name": "run 1", "settings": {"timeout": 0.5}})
    assert (made.status_code, made.json) == (201, {"name": "run 1", "domain": "run-1.test"})
    assert client.get("/api/mailtrap/info").json["scope"] == ""  # it is not the current one
    send(server, "x", "a@run-1.test")
    counts = {scope["name"]: scope["messages"] for scope in client.get("/api/mailtrap/scopes").json}
    assert counts == {"": 0, "run 1": 1}
    assert client.get("/api/mailtrap/info?scope=run 1").json["settings"]["timeout"] == 0.5
    wanted = {"smtp_extensions": ["-8BITMIME"], "routing": "strict"}
    assert client.patch("/api/mailtrap/settings?scope=run 1", json=wanted).json == wanted
    assert client.patch("/api/mailtrap/settings", json={"smtp_port": 1}).status_code == 400
    bad = client.patch("/api/mailtrap/settings", json={"ruoting": "open"})
    assert (bad.status_code, "routing" in bad.json["error"]["message"]) == (400, True)
    assert client.post("/api/mailtrap/scopes/run 1/enter").status_code == 200
    assert client.get("/api/mailtrap/info").json["scope"] == "run 1"
    assert client.post("/api/mailtrap/scopes/none/enter").status_code == 404
    assert client.delete("/api/mailtrap/scopes/run 1").status_code == 200
    assert client.get("/api/mailtrap/info").json["scope"] == ""
    assert client.delete("/api/mailtrap/scopes/none").status_code == 404
    assert client.post("/api/mailtrap/scopes", json={"name": 5}).status_code == 400
    server.report(ValueError("what went wrong"))
    (told,) = client.get("/api/mailtrap/errors").json
    assert (told["type"], told["message"]) == ("ValueError", "what went wrong")
    assert told["id"]
    assert client.post("/api/mailtrap/reset?scope=*").status_code == 200
    assert client.get("/api/mailtrap/errors").json == []
    assert client.post("/api/mailtrap/tokens", json={"user": "bob@example.com"}).json["token"]
    assert client.post("/api/mailtrap/tokens", json={"user": "b", "expires_in": "x"}).status_code == 400


# ---------------------------------------------------------------- the whole


def test_health(server: MailServer, client: FlaskClient) -> None:
    assert client.get("/livez").status_code == client.get("/readyz").status_code == 200


def test_info_and_endpoints(running: MailServer) -> None:
    client = create_app(running).test_client()
    found = client.get("/api/mailtrap/info").json
    assert (found["name"], found["api"]) == ("mailtrap", 1)
    assert found["started_at"]
    assert client.get("/api/mailtrap/endpoints").json["smtp"]["port"] == running.smtp.port
    assert client.get("/api/mailtrap/ca.pem").text == running.ca_pem


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/mailtrap/nothing", 404),
        ("DELETE", "/api/mailtrap/wait", 405),
        ("PUT", "/api/mailtrap/mark", 405),
        ("GET", "/api/mailtrap/mailboxes/99", 404),
        ("POST", "/api/mailtrap/mailboxes/99/flags", 404),
        ("GET", "/api/mailtrap/mailboxes/99999999999999999999999", 404),
    ],
)
def test_errors_are_json(client: FlaskClient, method: str, path: str, status: int) -> None:
    answer = client.open(path, method=method)
    assert answer.status_code == status
    assert answer.json["error"]["message"]
    if status == 405:
        assert answer.headers["Allow"]


def test_too_large_a_body_is_413(server: MailServer) -> None:
    app = create_app(server)
    app.config["MAX_CONTENT_LENGTH"] = 100
    answer = app.test_client().post("/api/mailtrap/messages?recipient=a@x.test", data=b"x" * 101)
    assert (answer.status_code, answer.json["error"]["message"]) == (413, "the body of the request is too large")


def test_an_error_of_ours_is_kept_and_not_told(
    server: MailServer, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(MailServer, "mark", fail)
    answer = client.get("/api/mailtrap/mark")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    (error,) = server.errors
    assert str(error) == "a secret"
    assert "GET /api/mailtrap/mark failed" in caplog.text
    server.clear()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 100,
        b"\xff\xfe" * 50,
        b"Subject: " + b"=?utf-8?b?" * 500,
        b"From: " + b"<" * 5000 + b"\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n" * 2000,
        b"Subject: =?utf-8?q?=ED=A0=80?=\r\nDate: Mon, 99 Foo 9999\r\n\r\n",
    ],
)
def test_broken_mail_is_shown_like_any_other(server: MailServer, client: FlaskClient, raw: bytes) -> None:
    id_ = server.send(raw, recipients=['"\ud800\x01 <b>"@example.com'], mail_from="").id
    paths = [
        "/api/v1/messages",
        f"/api/v1/message/{id_}",
        f"/api/v1/message/{id_}/headers",
        "/",
        f"/api/mailtrap/messages/{id_}",
        "/api/mailtrap/messages?as=message",
        "/api/mailtrap/wait",
        "/accounts",
        f"/view/{id_}.txt",
        "/sessions",
        *(f"/view/{id_}?tab={tab}" for tab in ("text", "headers", "raw", "parts", "envelope", "checks")),
    ]
    for path in paths:
        assert client.get(path).status_code == 200, path
    assert client.get(f"/api/v1/message/{id_}/raw").data == raw


@pytest.mark.parametrize("change", [lambda text: text, quote], ids=["plain", "quoted"])
def test_odd_ids_are_404(client: FlaskClient, change: Callable[[str], str]) -> None:
    for id_ in ("..", "%00", "a/b", "x" * 5000, "１" * 20):
        assert client.get(f"/api/mailtrap/messages/{change(id_)}").status_code == 404


def test_json_is_ascii_and_whole(server: MailServer, client: FlaskClient) -> None:
    server.send("Subject: Grüße \u2028 </script>\r\n\r\n", recipients=["a@x.test"])
    answer = client.get("/api/mailtrap/messages")
    assert json.loads(answer.data)["messages"][0]["subject"].startswith("Grüße")


def test_a_query_in_lists_and_waits(server: MailServer, client: FlaskClient) -> None:
    for subject in ("One", "Two", "Three"):
        mail = EmailMessage()
        mail["Subject"], mail["To"] = subject, "bob@example.com"
        mail.set_content("words")
        server.send(mail, recipients="bob@example.com")
    found = client.get("/api/mailtrap/messages", query_string={"query": "-subject:two", "order": "oldest"}).json
    assert [message["subject"] for message in found["messages"]] == ["One", "Three"]
    found = client.get("/api/mailtrap/messages", query_string={"query": "words", "limit": 1}).json
    assert [message["subject"] for message in found["messages"]] == ["Three"]
    for answer in (
        client.get("/api/mailtrap/wait", query_string={"query": "subject:two"}),
        client.post("/api/mailtrap/wait", json={"query": "subject:two", "from": ""}),
    ):
        assert answer.json["message"]["subject"] == "Two"
    nothing = client.get("/api/mailtrap/wait", query_string={"query": "subject:four", "timeout": 0}).json
    assert nothing["found"] is False
    assert "query='subject:four'" in nothing["explanation"]
    for query in ('"', "subjet:x"):
        for path in ("messages", "wait"):
            answer = client.get(f"/api/mailtrap/{path}", query_string={"query": query})
            assert answer.status_code == 400
            assert answer.json["error"]["type"] == "QueryError"
            assert "at character 1" in answer.json["error"]["message"]
    assert client.get("/api/mailtrap/wait?query=a&query=b&timeout=0").status_code == 400
    assert client.post("/api/mailtrap/wait", json={"query": ["a"], "timeout": 0}).status_code == 400
    restarted = client.get("/api/mailtrap/messages?query=since:elsewhere:1")
    assert (restarted.status_code, restarted.json["error"]["type"]) == (409, "ServerRestarted")
