"""smtplib, poplib, imaplib and IMAPClient do their normal job."""

import imaplib
import poplib
import smtplib
import ssl
import threading
from email.message import EmailMessage

import imapclient
import pytest


def mail(address, subject="hello", body="Hi Bob\n.\n..\nbye\n"):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Ann <ann@example.com>", address, subject
    message.set_content(body)
    return message


def send(served, address, **kw):
    with smtplib.SMTP("127.0.0.1", served.smtp, local_hostname="localhost") as smtp:
        assert smtp.send_message(mail(address, **kw)) == {}


def test_smtplib_sends_what_poplib_fetches_and_removes(served, address):
    send(served, address, subject="one")
    send(served, address, subject="two")
    pop = poplib.POP3("127.0.0.1", served.pop3)
    pop.user(address)
    pop.pass_("any")
    count, octets = pop.stat()
    assert count == 2
    _, lines, _ = pop.retr(1)
    assert b"Subject: one" in lines
    assert lines[-4:] == [b"Hi Bob", b".", b"..", b"bye"]
    assert octets == sum(int(entry.split()[1]) for entry in pop.list()[1])
    uids = [entry.split()[1] for entry in pop.uidl()[1]]
    assert len(set(uids)) == 2
    assert b"Subject: two" in pop.top(2, 0)[1]
    pop.dele(1)
    pop.quit()
    pop = poplib.POP3("127.0.0.1", served.pop3)
    pop.user(address)
    pop.pass_("any")
    assert [entry.split()[1] for entry in pop.uidl()[1]] == uids[1:]
    assert "UIDL" in pop.capa()
    pop.quit()


def test_smtplib_authenticates(served, address):
    with smtplib.SMTP("127.0.0.1", served.submission, local_hostname="localhost") as smtp:
        smtp.login(address, "secret")
        smtp.send_message(mail(address))


def test_smtplib_sends_utf8_addresses(served):
    with smtplib.SMTP("127.0.0.1", served.smtp, local_hostname="localhost") as smtp:
        smtp.ehlo()
        assert smtp.has_extn("smtputf8")
        assert smtp.sendmail("ünal@example.com", ["jürgen@bücher.example"], b"x: y\r\n\r\n", ["SMTPUTF8"]) == {}


def test_imaplib_reads_files_and_expunges(served, address):
    send(served, address, subject="first")
    with imaplib.IMAP4("127.0.0.1", served.imap) as imap:
        assert imap.login(address, "any")[0] == "OK"
        assert imap.select()[1] == [b"1"]
        kind, data = imap.fetch("1", "(FLAGS UID RFC822.SIZE ENVELOPE BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        assert kind == "OK"
        assert data[0][1] == b"Subject: first\r\n\r\n"
        assert imap.create("Archive")[0] == "OK"
        assert imap.subscribe("Archive")[0] == "OK"
        assert b"Archive" in b"".join(imap.lsub()[1])
        assert imap.copy("1", "Archive")[0] == "OK"
        assert imap.store("1", "+FLAGS", r"(\Deleted)")[0] == "OK"
        assert imap.expunge()[1] == [b"1"]
        assert imap.append("Archive", r"(\Seen)", None, mail(address, "second").as_bytes())[0] == "OK"
        assert imap.status("Archive", "(MESSAGES UNSEEN)")[1] == [b"Archive (MESSAGES 2 UNSEEN 1)"] or imap.status(
            "Archive", "(MESSAGES UNSEEN)"
        )[1] == [b'"Archive" (MESSAGES 2 UNSEEN 1)']
        assert imap.select("Archive")[1] == [b"2"]
        assert imap.search(None, "SUBJECT", '"second"')[1] == [b"2"]
        assert imap.uid("SEARCH", "UNSEEN")[1] == [b"1"]
        assert imap.close()[0] == "OK"
        assert imap.rename("Archive", "Old")[0] == "OK"
        assert imap.delete("Old")[0] == "OK"


def test_imapclient_reads_moves_and_idles(served, address):
    send(served, address, subject="für dich", body="Grüße\n")
    with imapclient.IMAPClient("127.0.0.1", served.imap, ssl=False) as imap:
        imap.login(address, "any")
        info = imap.select_folder("INBOX")
        assert info[b"EXISTS"] == 1
        (uid,) = imap.search(["UNSEEN", "SUBJECT", "für dich"], charset="UTF-8")
        fetched = imap.fetch([uid], ["ENVELOPE", "BODYSTRUCTURE", "RFC822.SIZE", "BODY[]", "INTERNALDATE"])[uid]
        assert len(fetched[b"BODY[]"]) == fetched[b"RFC822.SIZE"]
        assert fetched[b"ENVELOPE"].from_[0].mailbox == b"ann"
        assert b"\\Seen" in imap.get_flags([uid])[uid]
        imap.create_folder("Entwürfe/Büro")
        assert "Entwürfe/Büro" in [name for _, _, name in imap.list_folders()]
        imap.add_flags([uid], [imapclient.FLAGGED, "$Important"])
        imap.move([uid], "Entwürfe/Büro")
        assert imap.folder_status("Entwürfe/Büro", ["MESSAGES"])[b"MESSAGES"] == 1
        assert imap.search() == []
        imap.idle()
        sender = threading.Thread(target=send, args=(served, address))
        sender.start()
        told = imap.idle_check(timeout=10)
        sender.join()
        imap.idle_done()
        assert (1, b"EXISTS") in told


@pytest.mark.parametrize("listener", ["imaps", "pop3s", "smtps"])
def test_implicit_tls(served, address, listener):
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    port = getattr(served, listener)
    if listener == "imaps":
        with imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=trusting) as imap:
            assert imap.login(address, "x")[0] == "OK"
    elif listener == "pop3s":
        pop = poplib.POP3_SSL("127.0.0.1", port, context=trusting)
        pop.user(address)
        assert pop.pass_("x").startswith(b"+OK")
        pop.quit()
    else:
        with smtplib.SMTP_SSL("127.0.0.1", port, local_hostname="localhost", context=trusting) as smtp:
            smtp.login(address, "x")
            assert smtp.send_message(mail(address)) == {}
