"""fetchmail: POP3 and APOP, TLS as it wants it, unique-ids, and which mechanism it takes of those on offer."""

import pytest


@pytest.fixture
def fetchmail(client, run, address, tmp_path):
    path, out = client("fetchmail"), tmp_path / "out"

    def fetchmail(port, *options, password, protocol="POP3", server="", code=0):
        """Poll once; what it handed on, joined."""
        rc = tmp_path / "fetchmailrc"
        rc.write_text(
            f'poll "localhost" port {port} protocol {protocol} {server} username "{address}" password "{password}"'
            f' mda "cat >> {out}" {" ".join(options)}\n'
        )
        rc.chmod(0o600)
        out.write_bytes(b"")
        own = ("--pidfile", tmp_path / "pid")  # else there is one for all that run at a time
        run(path, "-f", rc, "--nosyslog", "--invisible", *own, code=code, FETCHMAILHOME=tmp_path)
        return out.read_bytes().decode()

    return fetchmail


CLEAR = "sslproto ''"
NOTHING_NEW, FAILED_SOCKET, FAILED_LOGIN = 1, 2, 3


def test_fetches_and_removes(served, fetchmail, address, mail):
    for subject in ("one", "two"):
        served.deliver(mail(subject).encode(), address)
    fetched = fetchmail(served.pop3, CLEAR, "fetchall", "nokeep", password="any")
    assert [line for line in fetched.splitlines() if "Subject" in line] == ["Subject: one", "Subject: two"]
    assert "\n\nHi.\n.\n..two\nbye\n" in fetched
    fetchmail(served.pop3, CLEAR, "fetchall", password="any", code=NOTHING_NEW)


def test_knows_by_unique_ids_what_is_new(served, fetchmail, address, mail):
    served.deliver(mail("one").encode(), address)
    assert fetchmail(served.pop3, CLEAR, "keep", server="uidl", password="any").count("Subject: one") == 1
    fetchmail(served.pop3, CLEAR, "keep", server="uidl", password="any", code=NOTHING_NEW)
    served.deliver(mail("two").encode(), address)
    fetched = fetchmail(served.pop3, CLEAR, "keep", server="uidl", password="any")
    assert ("Subject: one" in fetched, "Subject: two" in fetched) == (False, True)


@pytest.mark.parametrize(
    ("protocol", "option", "mechanism"),
    [
        ("POP3", "", "CRAM-MD5"),
        ("POP3", "auth cram-md5", "CRAM-MD5"),
        ("POP3", "auth password", "USER"),
        ("APOP", "", "APOP"),
    ],
)
def test_logs_in(full, fetchmail, address, mail, protocol, option, mechanism):
    full.deliver(mail().encode(), address)
    assert "bye" in fetchmail(
        full.pop3, CLEAR, "keep", "fetchall", server=option, protocol=protocol, password=full.password
    )
    assert full.logins(address) == [(mechanism, None)]
    fetchmail(full.pop3, CLEAR, server=option, protocol=protocol, password="wrong", code=FAILED_LOGIN)


@pytest.mark.parametrize(
    ("listener", "option"),
    [("pop3", ""), ("pop3", "sslproto 'tls1.2+'"), ("pop3s", "ssl"), ("pop3s", "ssl sslproto 'tls1.3+'")],
)
def test_tls_that_is_verified(full, fetchmail, address, mail, listener, option):
    full.deliver(mail().encode(), address)
    options = (option, "sslcertck", f'sslcertfile "{full.ca}"', "keep", "fetchall")
    assert "bye" in fetchmail(getattr(full, listener), *options, server="auth password", password=full.password)
    assert full.logins(address) == [("USER", "TLSv1.3")]


def test_wants_tls_unless_told_otherwise(full, served, fetchmail, address, mail):
    """Of each server, whatever it offers; so a test says ``sslproto ''``, or which certificate to trust."""
    fetchmail(full.pop3, password=full.password, code=FAILED_SOCKET)
    fetchmail(served.pop3, password="any", code=FAILED_SOCKET)
    served.deliver(mail().encode(), address)
    assert "bye" in fetchmail(served.pop3, CLEAR, password="any")
