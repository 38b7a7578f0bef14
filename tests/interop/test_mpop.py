"""mpop: every login of GNU SASL, TLS, pipelining, and what it keeps in mind of the unique-ids."""

import pytest

MECHANISMS = ("user", "apop", "plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256")


@pytest.fixture
def mpop(client, run, address, tmp_path):
    path, spool = client("mpop"), tmp_path / "maildir"
    for name in ("cur", "new", "tmp"):
        (spool / name).mkdir(parents=True)

    def mpop(port, *options, password, code=0):
        """Fetch; the mails that it fetched this time, as octets in the order of their names."""
        run(
            path, "--file=/dev/null", "--host=localhost", f"--port={port}", f"--user={address}",
            f"--passwordeval=printf '%s\\n' '{password}'", "--received-header=off", f"--delivery=maildir,{spool}",
            f"--uidls-file={tmp_path}/uidls", "--quiet", *options, code=code,
        )  # fmt: skip
        fetched = sorted(file.read_bytes() for file in (spool / "new").iterdir())
        for file in (spool / "new").iterdir():
            file.unlink()
        return fetched

    return mpop


def unix(raw):
    """mpop writes mails with the line ends of the system."""
    return raw.replace("\r\n", "\n").encode()


@pytest.mark.parametrize("pipelining", ["on", "off", "auto"])
def test_fetches_what_is_new_and_leaves_it(served, mpop, address, mail, pipelining):
    for subject in ("one", "two"):
        served.deliver(mail(subject).encode(), address)
    options = ("--tls=off", "--auth=user", f"--pipelining={pipelining}", "--keep=on")
    assert mpop(served.pop3, *options, password="any") == [unix(mail("one")), unix(mail("two"))]
    assert mpop(served.pop3, *options, password="any") == []
    served.deliver(mail("three").encode(), address)
    assert mpop(served.pop3, *options, password="any") == [unix(mail("three"))]


def test_fetches_and_removes(served, mpop, address, mail):
    for number in range(30):
        served.deliver(mail(f"{number:03}").encode(), address)
    options = ("--tls=off", "--auth=plain", "--pipelining=on", "--keep=off")
    assert mpop(served.pop3, *options, password="any") == [unix(mail(f"{number:03}")) for number in range(30)]
    assert mpop(served.pop3, *options, "--only-new=off", password="any") == []


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("secure", ["clear", "stls", "implicit"])
def test_logs_in(full, mpop, address, mail, mechanism, secure):
    full.deliver(mail().encode(), address)
    options = ["--tls=off"]
    if secure != "clear":
        options = [
            "--tls=on",
            f"--tls-trust-file={full.ca}",
            f"--tls-starttls={'off' if secure == 'implicit' else 'on'}",
        ]
    port = full.pop3s if secure == "implicit" else full.pop3
    assert mpop(port, *options, f"--auth={mechanism}", password=full.password) == [unix(mail())]
    assert full.logins(address) == [(mechanism.upper(), None if secure == "clear" else "TLSv1.3")]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_password(full, mpop, mechanism):
    mpop(full.pop3, "--tls=off", f"--auth={mechanism}", password="wrong", code=77)


@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer"])
def test_tokens(full, mpop, address, mechanism):
    auth = ("--tls=off", f"--auth={mechanism}")
    mpop(full.pop3, *auth, password=full.token(address))
    mpop(full.pop3, *auth, password=full.token(address, expires_in=0), code=77)
    assert full.logins(address) == [(mechanism.upper(), None)]


def test_chooses_the_mechanism_itself(full, served, mpop, address):
    """In clear it takes none that shows the password, and others are offered only where the server knows it."""
    mpop(full.pop3, "--tls=off", "--auth=on", password=full.password)
    assert full.logins(address)[-1][0] in ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "APOP")
    mpop(served.pop3, "--tls=off", "--auth=on", password="any", code=69)
    mpop(served.pop3, "--tls=off", "--auth=apop", password="any", code=69)


def test_a_certificate_that_is_not_trusted(full, mpop):
    mpop(full.pop3, "--tls=on", "--auth=user", password=full.password, code=69)
    mpop(full.pop3s, "--tls=on", "--tls-starttls=off", "--auth=user", password=full.password, code=69)


def test_what_it_says_of_the_server(full, client, run):
    said = run(
        client("mpop"), "--file=/dev/null", "--host=localhost", f"--port={full.pop3}", "--serverinfo", "--tls=on",
        f"--tls-trust-file={full.ca}",
    )  # fmt: skip
    for word in ("PIPELINING", "TOP", "UIDL", "STLS", "SCRAM-SHA-256", "APOP", "RESP-CODES", "AUTH-RESP-CODE"):
        assert word in said
