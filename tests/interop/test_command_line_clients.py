"""curl and swaks do their normal job."""

import re

MAIL = "From: Ann <ann@example.com>\r\nTo: bob@example.com\r\nSubject: {}\r\n\r\nHello.\r\n..dots\r\n.\r\nend\r\n"


def send(run, curl, served, address, subject="curl"):
    run(
        curl, "-sS", "--mail-from", "ann@example.com", "--mail-rcpt", address, "-T", "-",
        f"smtp://127.0.0.1:{served.smtp}", stdin=MAIL.format(subject),
    )  # fmt: skip


def test_curl_sends_and_fetches_over_pop3(served, client, run, address):
    curl = client("curl")
    send(run, curl, served, address)
    url = f"pop3://127.0.0.1:{served.pop3}/"
    assert re.fullmatch(r"1 \d+\s*", run(curl, "-sS", "-u", f"{address}:any", url))
    got = run(curl, "-sS", "-u", f"{address}:any", f"{url}1")
    assert got == MAIL.format("curl")
    assert "Subject: curl" in run(curl, "-sS", "-u", f"{address}:any", url, "-X", "TOP 1 0")
    run(curl, "-sS", "-u", f"{address}:any", f"{url}1", "-X", "DELE", "-l")
    assert run(curl, "-sS", "-u", f"{address}:any", url).strip() == ""


def test_curl_reads_and_appends_over_imap(served, client, run, address, tmp_path):
    curl = client("curl")
    send(run, curl, served, address, "over IMAP")
    url = f"imap://127.0.0.1:{served.imap}"
    user = ("-u", f"{address}:any")
    assert "INBOX" in run(curl, "-sS", *user, f"{url}/")
    assert "Subject: over IMAP" in run(curl, "-sS", *user, f"{url}/INBOX;MAILINDEX=1")
    assert run(curl, "-sS", *user, f"{url}/INBOX;UID=1;SECTION=TEXT").startswith("Hello.")
    assert re.search(r"\* SEARCH 1\b", run(curl, "-sS", *user, f"{url}/INBOX?SUBJECT%20over"))
    assert "\\Flagged" in run(curl, "-sS", *user, f"{url}/INBOX", "-X", r"STORE 1 +FLAGS (\Flagged)")
    run(curl, "-sS", *user, f"{url}/", "-X", "CREATE Drafts")
    draft = tmp_path / "draft.eml"
    draft.write_bytes(MAIL.format("draft").encode())
    run(curl, "-sS", *user, "-T", draft, f"{url}/Drafts")
    assert "Subject: draft" in run(curl, "-sS", *user, f"{url}/Drafts;UID=1")


def test_curl_over_tls(served, client, run, address):
    curl = client("curl")
    run(
        curl, "-sS", "-k", "--mail-from", "ann@example.com", "--mail-rcpt", address, "-T", "-",
        f"smtps://127.0.0.1:{served.smtps}", stdin=MAIL.format("tls"),
    )  # fmt: skip
    assert "Subject: tls" in run(curl, "-sS", "-k", "-u", f"{address}:x", f"pop3s://127.0.0.1:{served.pop3s}/1")
    got = run(curl, "-sS", "-k", "-u", f"{address}:x", f"imaps://127.0.0.1:{served.imaps}/INBOX;UID=1")
    assert "Subject: tls" in got


def test_swaks_sends_plain_pipelined_authenticated_and_by_lmtp(served, client, run, address):
    swaks = client("swaks")
    common = [swaks, "--from", "ann@example.com", "--to", address, "--timeout", "10"]
    run(*common, "--server", f"127.0.0.1:{served.smtp}", "--header", "Subject: one")
    run(*common, "--server", f"127.0.0.1:{served.smtp}", "--pipeline", "--header", "Subject: two")
    for number, mechanism in enumerate(("PLAIN", "LOGIN")):
        auth = ("--auth", mechanism, "--auth-user", address, "--auth-password", "pw")
        run(*common, "--server", f"127.0.0.1:{served.submission}", *auth, "--header", f"Subject: auth {number}")
    run(*common, "--server", f"127.0.0.1:{served.lmtp}", "--protocol", "LMTP", "--header", "Subject: lmtp")
    run(*common, "--server", f"127.0.0.1:{served.smtps}", "--tlsc", "--header", "Subject: tls")
    curl = client("curl")
    listing = run(curl, "-sS", "-u", f"{address}:pw", f"pop3://127.0.0.1:{served.pop3}/")
    assert len(listing.split()) == 2 * 6
