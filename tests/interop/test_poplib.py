"""poplib walks through a maildrop: what LIST says is what RETR sends, whatever the mail looks like."""

import poplib
import smtplib
from pathlib import Path

import pytest

from mailtrap import MailServer

DATA = Path(__file__).parents[1] / "data"
AWKWARD = {
    "bare-lf": b"Subject: bare\nX: y\n\nbody\n.\nend\n",
    "bare-cr": b"Subject: cr\r\n\r\none\rtwo\r\n",
    "mixed": b"Subject: mixed\r\nX: y\n\r\n.dot\n..\r\n.\r\nend",
    "no-end": b"Subject: x\r\n\r\nno line end",
    "empty": b"",
    "no-header": b"\r\nbody\r\n",
    "no-body": b"Subject: x\r\n",
    "dots": b"Subject: x\r\n\r\n.\r\n..\r\n...\r\n.",
    "long": b"Subject: x\r\n\r\n" + b"." * 5000 + b"\r\n",
    "eight-bit": "Subject: grüße\r\n\r\nGrüße €\r\n".encode(),
    "latin": "Subject: grüße\r\n\r\nGrüße\r\n".encode("latin-1"),
    "nul": b"Subject: a\0b\r\n\r\n\0\0\r\n",
    "sender": b'Sender: a@x, b@y <>, ,;: "\r\nFrom: <<>>@@,\r\nContent-Type: multipart/mixed; boundary=\r\n\r\n--\r\n',
}
AWKWARD.update({path.stem: path.read_bytes() for path in DATA.glob("*.eml")})


@pytest.fixture(autouse=True)
def long_lines(monkeypatch):
    monkeypatch.setattr(poplib, "_MAXLINE", 1 << 20)


def opened(server, user, password="any", *, utf8=True):
    pop = poplib.POP3("localhost", server.pop3, timeout=10)
    if utf8:
        pop.utf8()
    pop.user(user)
    pop.pass_(password)
    return pop


def crlf(raw):
    """Bare line feeds are served as CRLF."""
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


@pytest.mark.parametrize("utf8", [True, False])
def test_every_size_is_exact(served, address, utf8):
    for raw in AWKWARD.values():
        served.deliver(raw, address)
    pop = opened(served, address, utf8=utf8)
    count, total = pop.stat()
    assert count == len(AWKWARD)
    sizes = [int(line.split()[1]) for line in pop.list()[1]]
    assert sum(sizes) == total
    for (name, raw), number, size in zip(AWKWARD.items(), range(1, count + 1), sizes, strict=True):
        reply, lines, _ = pop.retr(number)
        fetched = b"".join(line + b"\r\n" for line in lines)
        expected = crlf(raw)
        if not utf8 and name in ("eight-bit", "utf8"):  # it gets another header in their place (RFC 6858)
            assert fetched.partition(b"\r\n\r\n")[0].isascii()
            expected = fetched
        assert reply == b"+OK %d octets" % size, name
        assert len(expected) == size, name
        assert fetched == expected + (b"" if expected.endswith(b"\r\n") or not expected else b"\r\n"), name
        header, separator, body = expected.partition(b"\r\n\r\n")
        if separator and not expected.startswith(b"\r\n"):
            top = pop.top(number, 1)[1]
            assert b"\r\n".join(top).startswith(header), name
            assert len(top) == len(header.split(b"\r\n")) + 1 + (1 if body else 0), name
    pop.quit()


@pytest.mark.parametrize("name", sorted(AWKWARD))
def test_what_came_by_smtp_is_served(full, address, name):
    raw = AWKWARD[name]
    with smtplib.SMTP("localhost", full.smtp, local_hostname="client.test", timeout=10) as smtp:
        smtp.ehlo()
        smtp.mail("a@x", ["BODY=8BITMIME"])
        smtp.rcpt(address)
        smtp.sock.sendall(b"BDAT %d LAST\r\n%b" % (len(raw), raw))
        assert smtp.getreply()[0] == 250
    assert full.arrived(address)["raw"] == raw
    pop = opened(full, address, full.password)
    assert int(pop.list(1).split()[2]) == len(crlf(raw))
    pop.quit()


def test_apop(full, address, mail):
    full.deliver(mail().encode(), address)
    pop = poplib.POP3("localhost", full.pop3, timeout=10)
    with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
        pop.apop(address, "wrong")
    pop.apop(address, full.password)
    assert pop.stat()[0] == 1
    pop.quit()
    assert full.logins(address) == [("APOP", None)]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_stls(full, address, mail, host):
    full.deliver(mail().encode(), address)
    pop = poplib.POP3(host, full.pop3, timeout=10)
    assert "STLS" in pop.capa()
    pop.stls(full.trusting())
    assert "STLS" not in pop.capa()
    pop.user(address)
    pop.pass_(full.password)
    assert pop.stat()[0] == 1
    pop.quit()
    pop = poplib.POP3_SSL(host, full.pop3s, timeout=10, context=full.trusting())
    pop.apop(address, full.password)
    pop.quit()
    assert [version for _, version in full.logins(address)] == ["TLSv1.3"] * 2


def test_required_tls(strict):
    pop = poplib.POP3("localhost", strict.pop3, timeout=10)
    assert "USER" not in pop.capa()
    with pytest.raises(poplib.error_proto):
        pop.user("bob@strict.test")
    pop.stls(strict.trusting())
    pop.user("bob@strict.test")
    pop.pass_(strict.password)
    pop.quit()


def test_utf8(served):
    user = "jürgen-pop@example.com"
    served.deliver("Subject: grüße\r\n\r\nGrüße\r\n".encode(), user)
    pop = poplib.POP3("localhost", served.pop3, timeout=10)
    pop.encoding = "utf-8"
    assert "UTF8" in pop.capa()
    assert pop.utf8().startswith(b"+OK")
    pop.user(user)
    pop.pass_("any")
    assert "Grüße".encode() in pop.retr(1)[1]
    pop.quit()


def test_deletes_at_quit_only(served, address, mail):
    for subject in ("one", "two", "three"):
        served.deliver(mail(subject).encode(), address)
    pop = opened(served, address)
    unique = [line.split()[1] for line in pop.uidl()[1]]
    pop.dele(1)
    pop.rset()
    assert pop.stat()[0] == 3
    pop.dele(2)
    with pytest.raises(poplib.error_proto, match="deleted"):
        pop.retr(2)
    served.deliver(mail("late").encode(), address)
    assert pop.stat()[0] == 2, "it does not see what comes meanwhile"
    pop.close()  # without QUIT nothing is deleted
    pop = opened_when_free(served, address)
    assert [line.split()[1] for line in pop.uidl()[1]][:3] == unique
    assert pop.stat()[0] == 4
    pop.dele(2)
    pop.quit()
    pop = opened(served, address)
    assert [line.split()[1] for line in pop.uidl()[1]][:2] == [unique[0], unique[2]]
    pop.quit()


def opened_when_free(server, user):
    """The server hears of a connection that was dropped a moment later than its client."""
    while True:
        try:
            return opened(server, user)
        except poplib.error_proto as error:
            if b"[IN-USE]" not in error.args[0]:
                raise


def test_unique_ids_outlive_the_server(tmp_path):
    """UIDL is the same after a restart of a store that survives, and no id is ever given again (RFC 1939, 7)."""

    def read(server, delete=None):
        client = poplib.POP3(server.pop3.host, server.pop3.port, timeout=20)
        client.user("bob@example.com")
        client.pass_("any")
        found = [line.split()[1] for line in client.uidl()[1]]
        if delete is not None:
            client.dele(delete)
        client.quit()
        return found

    store = f"sqlite:///{tmp_path / 'mail.db'}"
    with MailServer(store=store) as server:
        for number in range(3):
            server.deliver(b"Subject: %d\r\n\r\n" % number, recipients="bob@example.com")
        before = read(server, delete=3)
    with MailServer(store=store) as server:
        server.deliver(b"Subject: later\r\n\r\n", recipients="bob@example.com")
        after = read(server)
    assert after[:2] == before[:2]
    assert after[2] not in before
    assert len(set(before)) == len(set(after)) == 3
