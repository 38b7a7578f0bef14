"""msmtp: every login of GNU SASL, TLS on and off, DSN options, and what it says of the server."""

import pytest


@pytest.fixture
def msmtp(client, run, address, mail):
    path = client("msmtp")

    def msmtp(port, *options, to=(address,), stdin=None, code=0):
        return run(
            path, "--file=/dev/null", "--host=localhost", f"--port={port}", *options,
            *(() if "--serverinfo" in options else ("--from=ann@example.com", "--", *to)),
            stdin=mail("msmtp").replace("\r\n", "\n") if stdin is None else stdin, code=code,
        )  # fmt: skip

    return msmtp


def login(user, mechanism, password):
    return (f"--auth={mechanism}", f"--user={user}", f"--passwordeval=printf '%s\\n' '{password}'")


def tls(server, *, at_once=False):
    return ("--tls=on", f"--tls-trust-file={server.ca}", f"--tls-starttls={'off' if at_once else 'on'}")


MECHANISMS = ("plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256")


def test_sends(served, msmtp, address):
    msmtp(served.smtp, to=(address, f"other-{address}"))
    message = served.arrived(address)
    assert message["recipients"] == [address, f"other-{address}"]
    assert message["raw"].endswith(b"\r\n\r\nHi.\r\n.\r\n..two\r\nbye\r\n")


def test_the_envelope_of_dsn_options(served, msmtp, address):
    msmtp(served.smtp, "--dsn-notify=failure,delay", "--dsn-return=headers")
    envelope = served.arrived(address)["envelope"]
    assert envelope["mail_parameters"] == {"RET": "HDRS"}
    assert envelope["recipient_parameters"] == [{"NOTIFY": "FAILURE,DELAY"}]


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("secure", ["clear", "starttls", "implicit"])
def test_logs_in(full, msmtp, address, mechanism, secure):
    port = full.smtps if secure == "implicit" else full.smtp
    options = () if secure == "clear" else tls(full, at_once=secure == "implicit")
    msmtp(port, *options, *login(address, mechanism, full.password))
    session = full.arrived(address)["session"]
    assert (session["user"], session["mechanism"]) == (address, mechanism.upper())
    assert (session["tls"] is not None) == (secure != "clear")


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_password(full, msmtp, address, mechanism):
    msmtp(full.smtp, *login(address, mechanism, "wrong"), code=77)


@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer"])
def test_tokens(full, msmtp, address, mechanism):
    msmtp(full.smtp, *login(address, mechanism, full.token(address)))
    assert full.arrived(address)["session"]["mechanism"] == mechanism.upper()
    expired = full.token(address, expires_in=0)
    msmtp(full.smtp, *login(address, mechanism, expired), code=77)
    msmtp(full.smtp, *login(address, mechanism, full.password), code=77)  # it has tokens: a password is none


def test_chooses_the_best_mechanism_itself(full, msmtp, address):
    msmtp(full.smtp, *tls(full), *login(address, "on", full.password))
    assert full.arrived(address)["session"]["user"] == address


def test_a_certificate_that_is_not_trusted(full, msmtp):
    msmtp(full.smtp, "--tls=on", code=69)
    msmtp(full.smtps, "--tls=on", "--tls-starttls=off", code=69)


def test_starttls_where_it_is_off(served, msmtp):
    msmtp(served.smtp, *tls(served), code=69)


def test_what_it_says_of_the_server(full, msmtp):
    said = msmtp(full.smtp, "--serverinfo", *tls(full))
    for word in ("SIZE 52428800", "PIPELINING", "DSN", "STARTTLS", "SCRAM-SHA-256", "localhost"):
        assert word in said


def test_delivers_by_lmtp(served, msmtp, address):
    msmtp(served.lmtp, "--protocol=lmtp", to=(address, f"other-{address}"))
    assert served.arrived(f"other-{address}")["origin"] == "lmtp"


def test_a_recipient_that_is_refused(strict, msmtp):
    options = (*tls(strict), *login("ann@strict.test", "scram-sha-256", strict.password))
    msmtp(strict.submission, *options, to=("bob@strict.test", "nobody@strict.test"), code=65)
    refusal = strict.tell("refused")[-1]
    assert (refusal["stage"], refusal["reply"]) == ("RCPT", "550 5.1.1 No such user here")
    assert refusal["session"]["mechanism"] == "SCRAM-SHA-256"
