"""getmail6: POP3 and POP3 over TLS, APOP, unique-ids."""

import pytest


@pytest.fixture
def getmail(client, run, address, tmp_path):
    path, out = client("getmail"), tmp_path / "out"
    agent = tmp_path / "agent"
    agent.write_text(f'#!/bin/sh\nexec cat >> "{out}"\n')
    agent.chmod(0o755)

    def getmail(port, kind="SimplePOP3Retriever", *, password, code=0, delete=False, read_all=False, **options):
        """Fetch once; what it handed on, joined."""
        settings = {"type": kind, "server": "localhost", "port": port, "username": address, "password": password}
        rc = tmp_path / "getmailrc"
        rc.write_text(
            "[retriever]\n"
            + "".join(f"{name} = {value}\n" for name, value in {**settings, **options}.items())
            + f"[destination]\ntype = MDA_external\npath = {agent}\nallow_root_commands = true\n"
            + f"[options]\nread_all = {read_all}\ndelete = {delete}\ndelivered_to = false\nreceived = false\n"
        )
        out.write_bytes(b"")
        run(path, f"--getmaildir={tmp_path}", f"--rcfile={rc}", code=code)
        return out.read_bytes().decode()

    return getmail


def subjects(fetched):
    return [line.removeprefix("Subject: ") for line in fetched.splitlines() if line.startswith("Subject: ")]


def test_fetches_what_is_new_and_removes(served, getmail, address, mail):
    for subject in ("one", "two"):
        served.deliver(mail(subject).encode(), address)
    fetched = getmail(served.pop3, password="any")
    assert subjects(fetched) == ["one", "two"]
    assert "\n\nHi.\n.\n..two\nbye\n" in fetched
    assert getmail(served.pop3, password="any") == ""
    served.deliver(mail("three").encode(), address)
    assert subjects(getmail(served.pop3, password="any")) == ["three"]
    assert subjects(getmail(served.pop3, password="any", delete=True, read_all=True)) == ["one", "two", "three"]
    assert getmail(served.pop3, password="any", read_all=True) == ""


def test_tls_that_is_verified(full, getmail, address, mail):
    full.deliver(mail().encode(), address)
    fetched = getmail(full.pop3s, "SimplePOP3SSLRetriever", password=full.password, ca_certs=full.ca)
    assert subjects(fetched) == ["Hello"]
    assert full.logins(address) == [("USER", "TLSv1.3")]


def test_apop(full, getmail, address, mail):
    full.deliver(mail().encode(), address)
    assert subjects(getmail(full.pop3, password=full.password, use_apop=True)) == ["Hello"]
    assert full.logins(address) == [("APOP", None)]


@pytest.mark.parametrize("apop", [True, False])
def test_a_wrong_password(full, getmail, apop):
    getmail(full.pop3, password="wrong", use_apop=apop, code=127)
