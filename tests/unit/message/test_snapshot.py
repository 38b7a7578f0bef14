import re

from mailtrap.message.parse import Mail
from mailtrap.message.snapshot import snapshot


def test_what_differs_at_each_run_is_masked(eml) -> None:
    text = snapshot(Mail(eml("reset")))
    assert text.startswith(
        "From: App <no-reply@app.example>\n"
        "To: ann@example.com\n"
        "Subject: Reset your password\n"
        "Date: <date>\n"
        "Message-ID: <message-id>\n"
        "DKIM-Signature: v=1; a=rsa-sha256; d=app.example; s=k1; t=<signature>; h=from:to:subject; bh=<signature>; "
        "b=<signature>\n"
        "MIME-Version: 1.0\n"
        "Content-Type: multipart/alternative; boundary=<boundary>\n"
        "\n"
        "--- text/plain\n"
    )
    assert "Hi Ann & co," in text
    assert "_Part_1" not in text


def test_two_runs_of_one_program_give_the_same() -> None:
    def mail(boundary: str, date: str) -> Mail:
        return Mail(
            f"Date: {date}\r\nMessage-ID: <{boundary}@x>\r\nReceived: from {boundary}\r\n"
            f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n"
            f"--{boundary}\r\nContent-ID: <{boundary}>\r\n\r\ntext\r\n--{boundary}--".encode()
        )

    one = snapshot(mail("abc123", "Mon, 1 Jan 2024 00:00:00 +0000"))
    assert one == snapshot(mail("xyz789", "Tue, 2 Jan 2024 00:00:00 +0000"))
    assert "text" in one


def test_other_parts_are_size_and_digest(eml) -> None:
    text = snapshot(Mail(eml("nested")))
    assert re.search(r"--- application/pdf\n(.+\n)+\n\(9 octets, sha256 [0-9a-f]{16}\)\n", text)
    assert 'src="cid:<content-id>"' in text


def test_messages_inside_are_indented(eml) -> None:
    assert "\n  Subject: The original\n" in snapshot(Mail(eml("forwarded")))


def test_masks() -> None:
    mail = Mail(b"Subject: order 4711\r\n\r\nDear Bob, order 4711\r\n")
    assert snapshot(mail, ["Bob", re.compile(r"\d+")]) == "Subject: order <masked>\n\nDear <masked>, order <masked>\n"
    assert snapshot(mail, [""]) == snapshot(mail)


def test_changed_text_is_seen() -> None:
    assert snapshot(Mail(b"Subject: a\r\n\r\nx")) != snapshot(Mail(b"Subject: a\r\n\r\ny"))
