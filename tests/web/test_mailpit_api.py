"""The shapes of Mailpit's interface, as its own clients type them."""

import base64
import hashlib
from datetime import timedelta
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from mailtrap import MailServer
from mailtrap.web.api.shapes import canonical

SUMMARY = {
    "ID": str, "MessageID": str, "Read": bool, "From": dict, "To": list, "Cc": list, "Bcc": list, "ReplyTo": list,
    "Subject": str, "Created": str, "Username": str, "Tags": list, "Size": int, "Attachments": int, "Snippet": str,
}  # fmt: skip
MESSAGE = {
    "ID": str, "MessageID": str, "From": dict, "To": list, "Cc": list, "Bcc": list, "ReplyTo": list, "ReturnPath": str,
    "Subject": str, "ListUnsubscribe": dict, "Date": str, "Tags": list, "Username": str, "Text": str, "HTML": str,
    "Size": int, "Inline": list, "Attachments": list,
}  # fmt: skip
LIST = {
    "total": int, "unread": int, "count": int, "messages_count": int, "messages_unread": int, "start": int,
    "tags": list, "messages": list,
}  # fmt: skip
INFO = {
    "Version": str, "LatestVersion": str, "Database": str, "DatabaseSize": int, "Messages": int, "Unread": int,
    "Tags": dict, "RuntimeStats": dict,
}  # fmt: skip
STATS = {
    "Uptime": int, "Memory": int, "MessagesDeleted": int, "SMTPAccepted": int, "SMTPAcceptedSize": int,
    "SMTPRejected": int, "SMTPIgnored": int,
}  # fmt: skip


def has_shape(found: Any, shape: dict[str, type]) -> bool:
    return list(found) == list(shape) and all(type(found[name]) is kind for name, kind in shape.items())


def mail(subject: str = "Hello", **headers: str) -> EmailMessage:
    made = EmailMessage()
    made["From"] = "Ann Author <ann@example.com>"
    made["To"] = "Bob <bob@example.com>"
    made["Subject"] = subject
    made["Message-ID"] = "<m1@example.com>"
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content("plain words\n")
    return made


def rich() -> EmailMessage:
    made = mail("Rich", Cc="carol@example.com", Reply_To="desk@example.com", Date="Mon, 20 Jul 2026 14:03:00 +0200",
                List_Unsubscribe="<https://example.com/u>, <mailto:u@example.com?subject=x%20y>",
                List_Unsubscribe_Post="List-Unsubscribe=One-Click")  # fmt: skip
    made.add_alternative('<p>words <img src="cid:logo@x"></p>', subtype="html")
    body = made.get_body(("html",))
    assert isinstance(body, EmailMessage)
    body.add_related(b"\x89PNG", "image", "png", cid="<logo@x>", disposition="inline", filename="logo.png")
    made.add_attachment(b"a,b\n", "text", "csv", filename="räume.csv")
    return made


def send(server: MailServer, made: EmailMessage | bytes, *recipients: str) -> str:
    return server.send(made, recipients=recipients or ["bob@example.com"], mail_from="ann@example.com").id


# ---------------------------------------------------------------- lists


def test_a_list_says_what_changed_since_it_was_last_asked_for(client: FlaskClient, server: MailServer) -> None:
    id_ = send(server, mail('Quotes " and \\ and <ä>'))
    listed = client.get("/api/v1/messages")
    assert listed.mimetype == "application/json"
    (before,) = listed.json["messages"]
    assert has_shape(before, SUMMARY)
    assert (before["Read"], before["Tags"], before["Subject"]) == (False, [], 'Quotes " and \\ and <ä>')
    message = server.get(id_)
    assert message is not None
    server.set_record_flags([message], ["\\Seen", 'a"tag'])
    (after,) = client.get("/api/v1/messages").json["messages"]
    assert after == before | {"Read": True, "Tags": ['a"tag']}
    server.set_record_flags([message], ["\\Seen", 'a"tag'], "remove")
    assert client.get("/api/v1/messages").json["messages"] == [before]
    server.delete([message])
    assert client.get("/api/v1/messages").json["messages"] == []


def test_an_empty_list(client: FlaskClient) -> None:
    assert client.get("/api/v1/messages").json == {
        "total": 0, "unread": 0, "count": 0, "messages_count": 0, "messages_unread": 0, "start": 0, "tags": [],
        "messages": [],
    }  # fmt: skip


def test_list_and_summary_have_mailpits_shape(server: MailServer, client: FlaskClient) -> None:
    send(server, rich(), "bob@example.com", "carol@example.com", "hidden@example.org")
    found = client.get("/api/v1/messages").json
    assert has_shape(found, LIST)
    (summary,) = found["messages"]
    assert has_shape(summary, SUMMARY)
    assert summary["MessageID"] == "m1@example.com"
    assert summary["From"] == {"Name": "Ann Author", "Address": "ann@example.com"}
    assert summary["Bcc"] == [{"Name": "", "Address": "hidden@example.org"}]
    assert (summary["Attachments"], summary["Snippet"], summary["Read"]) == (1, "plain words", False)
    assert summary["Created"].endswith("Z")


def test_a_sender_that_is_missing_is_null(server: MailServer, client: FlaskClient) -> None:
    send(server, b"Subject: x\r\n\r\n")
    assert client.get("/api/v1/messages").json["messages"][0]["From"] is None
    assert client.get("/api/v1/message/latest").json["From"] is None


def test_newest_first_in_pages(server: MailServer, client: FlaskClient) -> None:
    ids = [send(server, mail(str(number))) for number in range(5)]
    found = client.get("/api/v1/messages?start=1&limit=2").json
    assert [message["ID"] for message in found["messages"]] == [ids[3], ids[2]]
    assert (found["total"], found["count"], found["start"]) == (5, 2, 1)
    assert client.get("/api/v1/messages?limit=0").json["messages"] == []


@pytest.mark.parametrize("query", ["start=-1", "limit=x", "limit=1e3", "start=9999999999999999999999"])
def test_bad_numbers_are_400_and_named(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/api/v1/messages?{query}")
    assert (answer.status_code, answer.mimetype) == (400, "text/plain")
    assert query.partition("=")[0] in answer.text


def test_what_was_placed_is_not_in_the_list(server: MailServer, client: FlaskClient) -> None:
    server.deliver(mail(), recipients="bob@example.com", mailbox="Sent")
    assert client.get("/api/v1/messages").json["total"] == 0
    assert client.get("/api/v1/message/latest").status_code == 404


def test_lists_are_of_the_current_scope_unless_another_is_named(server: MailServer, client: FlaskClient) -> None:
    send(server, mail("first"))
    with server.scope("inner") as inner:
        send(inner, mail("second"), "bob@inner.test")
        assert [m["Subject"] for m in client.get("/api/v1/messages").json["messages"]] == ["second"]
    assert [m["Subject"] for m in client.get("/api/v1/messages").json["messages"]] == ["first"]
    assert client.get("/api/v1/messages?scope=inner").json["total"] == 1
    assert client.get("/api/v1/messages?scope=*").json["total"] == 2
    assert client.get("/api/v1/messages?scope=none").status_code == 404


def test_a_message_that_was_cleared_between_is_left_out(server: MailServer, client: FlaskClient) -> None:
    first = server.get(send(server, mail("gone")))
    send(server, mail("stays"))
    assert first is not None
    server.delete([first])
    assert [m["Subject"] for m in client.get("/api/v1/messages").json["messages"]] == ["stays"]


# ---------------------------------------------------------------- read state, tags, deleting


def test_reading_marks_read_and_imap_sees_it(server: MailServer, client: FlaskClient) -> None:
    id_ = send(server, mail())
    assert client.get("/api/v1/messages").json["unread"] == 1
    client.get(f"/api/v1/message/{id_}")
    assert client.get("/api/v1/messages").json["unread"] == 0
    assert server.record().messages[0].flags == {"\\Seen"}


def test_put_changes_read_state(server: MailServer, client: FlaskClient) -> None:
    ids = [send(server, mail(str(number))) for number in range(3)]
    answer = client.put("/api/v1/messages", json={"IDs": ids[:1], "Read": True})
    assert (answer.text, answer.mimetype) == ("ok", "text/plain")
    assert client.get("/api/v1/messages").json["messages_unread"] == 2
    client.put("/api/v1/messages", json={"Read": True})
    assert client.get("/api/v1/messages").json["messages_unread"] == 0
    client.put("/api/v1/messages", json={"IDs": ids, "Read": False})
    assert client.get("/api/v1/messages").json["messages_unread"] == 3


@pytest.mark.parametrize(
    "body",
    [{"Search": "x", "IDs": ["y"], "Read": True}, {"IDs": "abc", "Read": True}, {"IDs": [1]}, {"Read": "perhaps"}],
)
def test_put_refuses_what_it_cannot_do(client: FlaskClient, body: dict[str, Any]) -> None:
    assert client.put("/api/v1/messages", json=body).status_code == 400


def test_delete_some(server: MailServer, client: FlaskClient) -> None:
    ids = [send(server, mail(str(number))) for number in range(3)]
    assert client.delete("/api/v1/messages", json={"IDs": [ids[0], "unknown"]}).text == "ok"
    assert [m["ID"] for m in client.get("/api/v1/messages").json["messages"]] == [ids[2], ids[1]]
    assert len(server.account("bob@example.com").mailbox().messages) == 2


@pytest.mark.parametrize("body", [b"", b"{}", b'{"IDs": []}', b"not json"])
def test_delete_without_ids_is_all(server: MailServer, client: FlaskClient, body: bytes) -> None:
    send(server, mail())
    assert client.delete("/api/v1/messages", data=body).text == "ok"
    assert server.messages == []


def test_delete_of_all_is_of_what_lists_show(server: MailServer, client: FlaskClient) -> None:
    inner = server.scope("inner")
    for view in (server, inner):
        view.send(mail("Sent"), recipients="bob@example.com")
        view.deliver(mail("Placed"), recipients="bob@example.com")
    assert client.delete("/api/v1/messages?scope=inner").text == "ok"
    left = [(message.scope, message.subject) for message in server.page(all_scopes=True, newest_first=False)]
    assert left == [("", "Sent"), ("", "Placed"), ("inner", "Placed")]
    copies = inner.account("bob@example.com").mailbox().messages  # it began as a copy of the outer one
    assert [copy.message.scope for copy in copies] == ["", "", "inner"]
    assert client.delete("/api/v1/messages?scope=*").text == "ok"
    assert [message.subject for message in server.page(all_scopes=True)] == ["Placed", "Placed"]


def test_a_form_chooses_too(server: MailServer, client: FlaskClient) -> None:
    ids = [send(server, mail(str(number))) for number in range(2)]
    client.put("/api/v1/messages", data={"ids": ids[0], "Read": "true"})
    assert client.get("/api/v1/messages").json["unread"] == 1
    client.delete("/api/v1/messages", data={"ids": ids[0]})
    assert [message.id for message in server.messages] == [ids[1]]


# ---------------------------------------------------------------- one message


def test_a_message_has_mailpits_shape(server: MailServer, client: FlaskClient) -> None:
    send(server, rich(), "bob@example.com", "hidden@example.org")
    found = client.get("/api/v1/message/latest").json
    assert has_shape(found, MESSAGE)
    assert found["Text"].strip() == "plain words"
    assert "cid:logo@x" in found["HTML"]
    assert found["Date"] == "2026-07-20T14:03:00+02:00"
    assert found["ReturnPath"] == "ann@example.com"
    assert found["ListUnsubscribe"] == {
        "Header": "<https://example.com/u>, <mailto:u@example.com?subject=x%20y>",
        "Links": ["https://example.com/u", "mailto:u@example.com?subject=x y"],
        "Errors": "",
        "HeaderPost": "List-Unsubscribe=One-Click",
    }
    assert found["Inline"] == [
        {
            "PartID": "1", "FileName": "logo.png", "ContentType": "image/png", "ContentID": "logo@x", "Size": 4,
            "Checksums": {
                "MD5": hashlib.md5(b"\x89PNG").hexdigest(), "SHA1": hashlib.sha1(b"\x89PNG").hexdigest(),
                "SHA256": hashlib.sha256(b"\x89PNG").hexdigest(),
            },
        }
    ]  # fmt: skip
    assert [(part["PartID"], part["FileName"]) for part in found["Attachments"]] == [("2", "räume.csv")]


def test_without_a_date_it_is_when_it_came(server: MailServer, client: FlaskClient) -> None:
    send(server, b"Subject: x\r\n\r\n")
    found = client.get("/api/v1/message/latest").json
    assert found["Date"] == client.get("/api/v1/messages").json["messages"][0]["Created"]


def test_headers_are_as_sent_under_canonical_names(server: MailServer, client: FlaskClient) -> None:
    raw = (
        b"message-ID: <a@b>\r\nMIME-version: 1.0\r\nSubject: =?utf-8?q?=C3=A4?=\r\nX-Run: 1\r\nx-run: 2\r\n"
        b"Folded: one\r\n\ttwo\r\n\r\nNot: a header\r\n"
    )
    id_ = send(server, raw)
    assert client.get(f"/api/v1/message/{id_}/headers").json == {
        "Message-Id": ["<a@b>"], "Mime-Version": ["1.0"], "Subject": ["=?utf-8?q?=C3=A4?="], "X-Run": ["1", "2"],
        "Folded": ["one two"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"), [("MIME-version", "Mime-Version"), ("x", "X"), ("a b", "a b"), ("", ""), ("x--y", "X--Y")]
)
def test_canonical_names(name: str, expected: str) -> None:
    assert canonical(name) == expected


def test_raw_is_exact(server: MailServer, client: FlaskClient) -> None:
    raw = b"Subject: x\n\nbare \r newlines\n\xff\x00.\n"
    answer = client.get(f"/api/v1/message/{send(server, raw)}/raw")
    assert (answer.data, answer.mimetype) == (raw, "text/plain")
    answer = client.get("/api/v1/message/latest/raw?dl=1")
    assert answer.headers["Content-Disposition"].startswith("attachment;")


def test_parts(server: MailServer, client: FlaskClient) -> None:
    id_ = send(server, rich())
    answer = client.get(f"/api/v1/message/{id_}/part/1")
    assert (answer.data, answer.content_type) == (b"\x89PNG", "image/png")
    answer = client.get(f"/api/v1/message/{id_}/part/2")
    assert answer.data == b"a,b\n"
    assert "filename*=UTF-8''r%C3%A4ume.csv" in answer.headers["Content-Disposition"]
    assert client.get(f"/api/v1/message/{id_}/part/3").status_code == 404


@pytest.mark.parametrize("id_", ["nope", "latest", "0" * 20, "1a20ab92fd2000000001", "é"])
def test_a_message_that_is_not_there(client: FlaskClient, id_: str) -> None:
    for tail in ("", "/headers", "/raw", "/part/1"):
        answer = client.get(f"/api/v1/message/{id_}{tail}")
        assert (answer.status_code, answer.mimetype) == (404, "text/plain")


# ---------------------------------------------------------------- sending


def test_send(server: MailServer, client: FlaskClient) -> None:
    answer = client.post("/api/v1/send", json={
        "From": {"Email": "ann@example.com", "Name": "Änn"}, "To": [{"Email": "bob@example.com", "Name": "Bob"}],
        "Cc": [{"Email": "carol@example.com"}], "Bcc": ["hidden@example.org"], "ReplyTo": [{"Email": "d@example.com"}],
        "Subject": "Grüße", "Text": "text", "HTML": '<img src="cid:l">', "Headers": {"X-Run": "7"}, "Tags": ["ci"],
        "Attachments": [
            {"Content": base64.b64encode(b"\x89PNG").decode(), "Filename": "l.png", "ContentType": "image/png",
             "ContentID": "l"},
            {"Content": base64.b64encode(b"data").decode(), "Filename": "d.bin"},
        ],
    })  # fmt: skip
    assert answer.status_code == 200
    message = server.message(id=answer.json["ID"])
    assert message.origin == "http"
    assert (message.subject, message.from_.name, message.text) == ("Grüße", "Änn", "text\n")
    assert list(message.recipients) == ["bob@example.com", "carol@example.com", "hidden@example.org"]
    assert message.bcc == ["hidden@example.org"]
    assert message.headers["X-Run"] == "7"
    assert [part.content_id for part in message.inline] == ["l"]
    assert [part.content for part in message.attachments] == [b"data"]
    assert client.get("/api/v1/messages").json["tags"] == ["ci"]
    assert client.get("/api/v1/info").json["Tags"] == {"ci": 1}
    assert not [finding for finding in message.lint() if finding.severity == "error"]


WHOLE = {"From": {"Email": "a@example.com"}, "To": [{"Email": "b@example.com"}]}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"To": [{"Email": "nobody"}]}, "invalid To address: nobody"),
        ({"Cc": [{"Email": "a@b\r\nBcc: x@y"}]}, "invalid Cc address: a@b\r\nBcc: x@y"),
        ({"From": None}, "invalid From address: "),
        ({"To": []}, "no recipients"),
        ({"To": "b@example.com"}, "To is a list"),
        ({"Subject": "x\r\nBcc: evil@example.com"}, "Subject is a text of one line"),
        ({"Headers": {"X: y\r\nBcc": "z"}}, "invalid header name"),
        ({"Headers": {"Bcc": "z@example.com"}}, "invalid header name"),
        ({"Headers": {"X-Y": "a\nb"}}, "X-Y is a text of one line"),
        ({"Headers": {"Date": 7}}, "Date is a text of one line"),
        ({"Attachments": [{"Content": "***", "Filename": "x"}]}, "the content of x is not base64"),
        ({"Attachments": [{"Content": "", "ContentType": "text/html\r\nX: y"}]}, "invalid ContentType"),
        ({"Attachments": ["x"]}, "Attachments is a list of objects"),
        ({"Tags": ["a b"]}, "invalid tag: a b"),
        ({"Text": 7}, "Text is a text"),
        ({"Sbject": "x"}, "unknown field: Sbject"),
    ],
)
def test_send_refuses(server: MailServer, client: FlaskClient, change: dict[str, Any], text: str) -> None:
    answer = client.post("/api/v1/send", json={**WHOLE, **change})
    assert answer.status_code == 400
    assert text in answer.json["Error"]
    assert not server.messages


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000, b"\xff"])
def test_send_refuses_what_is_no_object(client: FlaskClient, body: bytes) -> None:
    answer = client.post("/api/v1/send", data=body)
    assert answer.status_code == 400
    assert "JSON" in answer.json["Error"]


def test_send_says_what_smtp_would_say(server: MailServer, client: FlaskClient) -> None:
    server.configure(routing="strict")
    answer = client.post("/api/v1/send", json=WHOLE)
    assert (answer.status_code, answer.json["Error"]) == (400, "550 5.1.1 No such user here")
    (refusal,) = server.refused
    assert (refusal.stage, refusal.session.protocol) == ("RCPT", "http")
    server.configure(routing="open", max_message_size=100)
    assert client.post("/api/v1/send", json=WHOLE).status_code == 413
    server.configure(max_message_size=10_000, max_recipients=1)
    answer = client.post("/api/v1/send", json={**WHOLE, "Bcc": ["c@example.com"]})
    assert (answer.status_code, answer.json["Error"]) == (503, "452 4.5.3 Too many recipients")
    assert not server.messages


def test_info(server: MailServer, client: FlaskClient) -> None:
    send(server, mail())
    client.delete("/api/v1/messages")
    send(server, mail())
    found = client.get("/api/v1/info").json
    assert has_shape(found, INFO)
    assert has_shape(found["RuntimeStats"], STATS)
    assert (found["Messages"], found["Unread"], found["RuntimeStats"]["MessagesDeleted"]) == (1, 1, 1)
    assert found["DatabaseSize"] == len(server.messages[0].raw)


# ---------------------------------------------------------------- searching


def test_search_has_the_shape_of_a_list(server: MailServer, client: FlaskClient) -> None:
    for number in range(3):
        server.send(mail(f"Hello {number}"), recipients="bob@example.com")
    server.send(rich(), recipients="bob@example.com")
    server.deliver(mail("Hello placed"), recipients="bob@example.com")
    server.set_record_flags(server.search("subject:hello")[-1:], ["\\Seen", "greeting"])
    found = client.get("/api/v1/search", query_string={"query": "subject:hello", "limit": 2, "start": 1}).json
    assert has_shape(found, LIST)
    assert [message["Subject"] for message in found["messages"]] == ["Hello 1", "Hello 0"]
    assert has_shape(found["messages"][0], SUMMARY)
    assert (found["total"], found["unread"], found["count"], found["start"]) == (4, 3, 2, 1)
    assert (found["messages_count"], found["messages_unread"]) == (3, 2)
    assert found["tags"] == ["greeting"]
    placed = client.get("/api/v1/search", query_string={"query": "origin:deliver"}).json
    assert [message["Subject"] for message in placed["messages"]] == ["Hello placed"]
    nothing = client.get("/api/v1/search", query_string={"query": "subject:nothing"}).json
    assert (nothing["messages"], nothing["messages_count"], nothing["total"]) == ([], 0, 4)


@pytest.mark.parametrize("query", ["", "%20", '"', "subjet:x", "larger:lots", "x" * 5000])
def test_a_bad_query_is_a_400_in_text(client: FlaskClient, query: str) -> None:
    for method in ("GET", "DELETE"):
        answer = client.open(f"/api/v1/search?query={query}", method=method)
        assert (answer.status_code, answer.mimetype) == (400, "text/plain")


def test_a_search_without_a_query_is_a_400(server: MailServer, client: FlaskClient) -> None:
    server.send(mail(), recipients="bob@example.com")
    assert client.get("/api/v1/search").status_code == 400
    assert client.delete("/api/v1/search").status_code == 400
    assert len(server.messages) == 1


def test_the_time_zone_of_a_query(server: MailServer, client: FlaskClient) -> None:
    sent = server.send(mail(), recipients="bob@example.com")
    local = (sent.received_at - timedelta(seconds=1)).astimezone(ZoneInfo("Pacific/Auckland")).replace(tzinfo=None)
    query = f"before:{local.isoformat(timespec='microseconds')}"
    for zone, number in (
        ("Pacific/Auckland", 0),
        ("UTC", 1),
    ):  # Auckland is ahead: read as UTC, its time is yet to come
        found = client.get("/api/v1/search", query_string={"query": query, "tz": zone}).json
        assert found["messages_count"] == number
    for zone in ("No/Where", "../../etc/passwd", "\x00"):
        assert client.get("/api/v1/search", query_string={"query": query, "tz": zone}).status_code == 400


def test_what_a_search_finds_is_deleted(server: MailServer, client: FlaskClient) -> None:
    server.send(mail("One"), recipients="bob@example.com")
    server.send(mail("Two"), recipients="bob@example.com")
    server.deliver(mail("One placed"), recipients="bob@example.com")
    assert client.delete("/api/v1/search?query=subject:one").data == b"ok"
    assert [message.subject for message in server.page()] == ["One placed", "Two"]


def test_what_a_search_finds_is_read(server: MailServer, client: FlaskClient) -> None:
    one = server.send(mail("One"), recipients="bob@example.com")
    two = server.send(mail("Two"), recipients="bob@example.com")
    assert client.put("/api/v1/messages", json={"Search": "subject:two", "Read": True}).data == b"ok"
    assert server.record_flags([one, two]) == {one.seq: frozenset(), two.seq: frozenset({"\\Seen"})}
    client.put("/api/v1/messages", json={"IDs": [one.id], "Read": True})
    client.put("/api/v1/messages", json={"Search": "two", "Read": False})
    assert server.record_flags([one, two]) == {one.seq: frozenset({"\\Seen"}), two.seq: frozenset()}
    assert client.put("/api/v1/messages", json={"Search": 7}).status_code == 400
    assert client.put("/api/v1/messages", json={"Search": '"'}).status_code == 400
