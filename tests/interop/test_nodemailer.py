"""nodemailer: STARTTLS as it takes it, every login, DSN, LMTP, a pool."""

import json
from pathlib import Path

import pytest

VERSION = "nodemailer@9"
PROGRAM = Path(__file__).with_name("nodemailer.cjs")


@pytest.fixture
def nodemailer(client, npm, run, address):
    node, package = client("node"), npm(VERSION)

    def nodemailer(transport, *mails):
        """Send; the outcome of each mail, or the only one's."""
        basic = {"from": "Ann <ann@example.com>", "to": address, "subject": "Grüße", "text": "Hi\n.\n..\nend"}
        given = {
            "transport": {"host": "localhost", "name": "client.test", **transport},
            "mails": [basic | mail for mail in mails or [{}]],
        }
        found = json.loads(run(node, PROGRAM, package, stdin=json.dumps(given)))
        return found if len(found) > 1 else found[0]

    return nodemailer


def trusting(server):
    return {"tls": {"ca": server.ca.read_text()}}


def test_sends(served, nodemailer, address):
    attachment = {"filename": "größe.txt", "content": "inhalt"}
    mail = {"html": "<p>Hi</p>", "attachments": [attachment], "bcc": "hidden@example.com", "cc": "cc@example.com"}
    outcome = nodemailer({"port": served.smtp, "secure": False}, mail)
    assert outcome["response"] == "250 2.0.0 Ok: kept"
    assert outcome["rejected"] == []
    message = served.arrived(address)
    assert message["recipients"] == [address, "cc@example.com", "hidden@example.com"]
    assert (message["subject"], message["bcc"]) == ("Grüße", ["hidden@example.com"])
    assert (message["text"].strip(), message["html"].strip()) == ("Hi\n.\n..\nend", "<p>Hi</p>")
    assert [part["filename"] for part in message["attachments"]] == ["größe.txt"]


def test_takes_starttls_when_it_is_offered_and_then_trusts_nobody(full, nodemailer, address):
    """Why STARTTLS is off unless a setting says otherwise."""
    assert nodemailer({"port": full.smtp, "secure": False})["code"] in ("ESOCKET", "ETLS")
    assert "accepted" in nodemailer({"port": full.smtp, "secure": False, "ignoreTLS": True}, {"subject": "clear"})
    assert full.arrived(address, subject="clear")["session"]["tls"] is None
    assert "accepted" in nodemailer({"port": full.smtp, "secure": False, **trusting(full)}, {"subject": "TLS"})
    assert full.arrived(address, subject="TLS")["session"]["tls"]["server_name"] == "localhost"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_implicit_tls(full, nodemailer, address, host):
    assert nodemailer({"host": host, "port": full.smtps, "secure": True})["code"] == "ESOCKET"
    assert "accepted" in nodemailer({"host": host, "port": full.smtps, "secure": True, **trusting(full)})
    assert full.arrived(address)["session"]["listener"] == "smtps"


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_logs_in(full, nodemailer, address, mechanism):
    transport = {"port": full.submission, "requireTLS": True, "authMethod": mechanism, **trusting(full)}
    outcome = nodemailer({**transport, "auth": {"user": address, "pass": "wrong"}})
    assert (outcome["code"], outcome["responseCode"]) == ("EAUTH", 535)
    assert "accepted" in nodemailer({**transport, "auth": {"user": address, "pass": full.password}})
    assert full.arrived(address)["session"]["mechanism"] == mechanism


def test_tokens(full, nodemailer, address):
    def send(token):
        auth = {"type": "OAuth2", "user": address, "accessToken": token}
        return nodemailer({"port": full.smtp, "ignoreTLS": True, "auth": auth})

    for wrong in (full.token(address, expires_in=0), full.token("eve@example.com"), "nonsense"):
        assert send(wrong)["code"] in ("EAUTH", "EOAUTH2")
    assert "accepted" in send(full.token(address))
    assert full.arrived(address)["session"]["mechanism"] == "XOAUTH2"


def test_dsn(served, nodemailer, address):
    dsn = {"id": "id 1+2", "return": "headers", "notify": ["success", "delay"], "recipient": "ann@example.com"}
    nodemailer({"port": served.smtp}, {"dsn": dsn})
    envelope = served.arrived(address)["envelope"]
    assert envelope["mail_parameters"]["RET"] == "HDRS"
    assert envelope["mail_parameters"]["ENVID"] == "id+201+2B2"
    assert envelope["recipient_parameters"] == [{"NOTIFY": "SUCCESS,DELAY", "ORCPT": "rfc822;ann@example.com"}]


def test_a_recipient_that_is_refused(strict, nodemailer):
    auth = {"user": "ann@strict.test", "pass": strict.password}
    outcome = nodemailer(
        {"port": strict.submission, "auth": auth, **trusting(strict)}, {"to": "bob@strict.test, no@strict.test"}
    )
    assert (outcome["accepted"], outcome["rejected"]) == (["bob@strict.test"], ["no@strict.test"])


def test_delivers_by_lmtp(served, nodemailer, address):
    assert "accepted" in nodemailer({"port": served.lmtp, "lmtp": True}, {"to": [address, f"other-{address}"]})
    assert served.arrived(f"other-{address}")["origin"] == "lmtp"


def test_utf8_addresses(served, nodemailer, address):
    outcome = nodemailer({"port": served.smtp}, {"to": f"jürgen-{address}"})
    assert outcome["rejected"] == []
    envelope = served.arrived(f"jürgen-{address}")["envelope"]
    assert "SMTPUTF8" in envelope["mail_parameters"]


def test_a_pool(served, nodemailer, address):
    mails = [{"subject": str(number)} for number in range(20)]
    outcomes = nodemailer({"port": served.smtp, "pool": True, "maxConnections": 2}, *mails)
    assert all("accepted" in outcome for outcome in outcomes)
    found = served.tell("wait", recipients=address, at_least=20)["messages"]
    assert {message["subject"] for message in found} == {str(number) for number in range(20)}
    assert len({message["session"]["id"] for message in found}) <= 2
