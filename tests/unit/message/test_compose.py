from email.message import EmailMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest

from mailtrap.message.compose import reply, to_bytes


def test_bytes_are_kept_as_they_are() -> None:
    raw = b"Subject: x\n\nbare\r"
    assert to_bytes(raw) is raw
    assert to_bytes(bytearray(raw)) == raw
    assert to_bytes(memoryview(raw)) == raw


def test_text_is_utf_8_with_crlf() -> None:
    assert to_bytes("Subject: é\n\nx\r\n") == "Subject: é\r\n\r\nx\r\n".encode()


def test_an_email_message_has_crlf_and_encoded_headers() -> None:
    mail = EmailMessage()
    mail["Subject"] = "é"
    mail["To"] = "a@example.com"
    mail.set_content("naïve\n")
    raw = to_bytes(mail)
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert b"Subject: =?utf-8?" in raw
    assert raw.isascii() or b"8bit" in raw


def test_an_email_message_with_addresses_that_need_utf_8() -> None:
    mail = EmailMessage()
    mail["To"] = "jürgen@example.com"
    mail.set_content("x")
    assert "jürgen@example.com".encode() in to_bytes(mail)


def test_a_message_of_the_older_classes() -> None:
    mail = MIMEMultipart()
    mail["Subject"] = "x"
    mail.attach(MIMEText("é", "plain", "utf-8"))
    raw = to_bytes(mail)
    assert raw.startswith(b"Content-Type: multipart/mixed;")
    assert raw.count(b"\n") == raw.count(b"\r\n")


def test_a_message_gives_its_bytes(make) -> None:
    message = make(b"bare\n")
    assert to_bytes(message) == b"bare\n"


@pytest.mark.parametrize("mail", [None, 1, ["x"], object()])
def test_other_things_are_no_mail(mail: object) -> None:
    with pytest.raises(TypeError, match="a mail is bytes, an EmailMessage or a Message, not"):
        to_bytes(mail)


def test_a_reply_names_the_thread(make) -> None:
    message = make(
        "From: A <a@x.example>\nTo: b@x.example\nSubject: RE: x\nMessage-ID: <3@x>\nReferences: <1@x>\n <2@x>\n\nbody"
    )
    answer = reply(message)
    assert answer["References"] == "<1@x> <2@x> <3@x>"
    assert answer["In-Reply-To"] == "<3@x>"
    assert answer["Subject"] == "RE: x"
    assert answer["To"] == "a@x.example"


def test_references_begin_with_in_reply_to_where_there_are_none(make) -> None:
    assert reply(make("Message-ID: <2@x>\nIn-Reply-To: <1@x>\n\n"))["References"] == "<1@x> <2@x>"
    assert reply(make("Message-ID: <2@x>\nIn-Reply-To: <0@x> <1@x>\n\n"))["References"] == "<2@x>"
    assert "References" not in reply(make("Subject: x\n\n"))


def test_headers_replace_and_leave_out(make) -> None:
    answer = reply(
        make("From: a@x.example\nSubject: x\nMessage-ID: <1@x>\n\n"),
        "hi",
        from_="me@x.example",
        subject="y",
        in_reply_to="",
    )
    assert (answer["From"], answer["Subject"], answer["In-Reply-To"]) == ("me@x.example", "y", None)
    assert answer.get_content() == "hi\n"


def test_a_reply_to_a_hostile_subject_has_no_further_header(make) -> None:
    answer = reply(make("From: a@x.example\nSubject: =?utf-8?q?x=0D=0ABcc:_evil=40x.example?=\n\n"))
    assert answer["Bcc"] is None
    assert b"\nBcc:" not in to_bytes(answer)


def test_a_reply_to_a_subject_that_cannot_be_decoded_can_be_written(make) -> None:
    answer = reply(make("From: a@x.example\nSubject: =?ŸTF-8?Q?f=C3=BCr_M=C3?=\n\n"))
    assert b"Subject:" in to_bytes(answer)
