import pickle
import re
from copy import copy as copied
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from email.message import EmailMessage
from hashlib import sha256
from types import SimpleNamespace
from unittest.mock import ANY

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailtrap.errors import ConfigError, StoreError
from mailtrap.message.attachment import safe_name
from mailtrap.message.model import COPY_CRITERIA, MESSAGE_CRITERIA, Copy, Link, Message
from mailtrap.store.rows import CopyRow
from mailtrap.transcript import Session

# ---------------------------------------------------------------- attributes


def test_making_one_asks_for_nothing(make, owner) -> None:
    message = make("Subject: x\n\nbody")
    assert (message.seq, message.origin, message.size, message.mail_from) == (1, "smtp", 18, "a@example.com")
    assert message.recipients == ("bob@example.com",)
    assert message.received_at == datetime(2024, 3, 1, 10, 0, 0, 500000, UTC)
    assert owner.asked == []
    assert message.subject == "x"
    assert message.text == "body"
    assert owner.asked == [1]


def test_a_copy_is_itself_and_no_other_process_gets_it(make) -> None:
    message = make("Subject: x\n\nbody")
    assert copied(message) is message
    assert deepcopy({"mails": [message]})["mails"][0] is message
    with pytest.raises(TypeError, match=r"its \.raw"):
        pickle.dumps(message)


def test_a_header_is_read_without_the_body(make, owner) -> None:
    message = make(b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 100)
    assert message.subject == "x"
    assert "root" not in vars(message._mail)
    assert "email" not in vars(message._mail)


def test_header_attributes(make, eml) -> None:
    message = make(eml("nested"), ["alice@example.org", "Hidden@example.org"])
    assert (message.from_, message.from_.name) == ("news@example.com", "Newsletter, Inc.")
    assert message.to == ["alice@example.org", "bob@example.org"]
    assert message.cc == ["pat@example.org"]
    assert message.cc[0].name == "O'Neil, Pat"
    assert message.reply_to == ["help@example.com"]
    assert message.bcc == ["Hidden@example.org"]
    assert message.date == datetime(2024, 1, 10, 12, tzinfo=timezone(timedelta(hours=-5)))
    assert message.message_id == "<nested@example.com>"


def test_what_is_not_there_is_empty(make, eml) -> None:
    message = make(eml("empty"))
    assert (message.from_, message.to, message.cc, message.reply_to, message.subject) == ("", [], [], [], "")
    assert (message.date, message.message_id, message.text, message.html, message.plain) == (None, None, "", None, "")
    assert (message.attachments, message.inline, message.links, message.codes) == ([], [], [], [])
    assert len(message.headers) == 0


def test_a_mail_without_header_has_its_text(make, eml) -> None:
    message = make(eml("no-header"))
    assert message.text == "Hello,\n\nthis is only text: no header at all.\n"


def test_headers_are_a_mapping_without_case(make) -> None:
    headers = make("X-A: 1\nx-a: =?utf-8?q?=E2=82=AC?=\n 2\nB: 3\n\n").headers
    assert headers["x-A"] == "1"
    assert headers.get_all("X-a") == ["1", "€ 2"]
    assert headers.get_all("absent") == []
    assert list(headers) == ["X-A", "B"]
    assert len(headers) == 2
    assert "b" in headers
    assert "c" not in headers
    assert headers.get("c") is None
    assert dict(headers) == {"X-A": "1", "B": "3"}
    with pytest.raises(KeyError):
        headers["c"]


def test_bcc_is_what_no_header_names(make) -> None:
    text = "To: A <a@x.example>\nCc: b@x.example\nBcc: c@x.example\nResent-To: d@x.example\n\n"
    recipients = ["A@X.example", "b@x.example", "c@x.example", "d@x.example", "e@x.example"]
    assert make(text, recipients).bcc == ["e@x.example"]


def test_texts(make, eml) -> None:
    message = make(eml("nested"))
    assert message.text == "Café at noon?\n-- \nThe footer of a list\n"
    assert message.html is not None
    assert "<b>noon</b>" in message.html
    assert message.plain == message.text
    assert make(eml("utf8")).text == ("Grüß Gott, Jürgen!\n\nIhre Bestellung 4711 über 1999 € ist unterwegs → heute.\n")
    assert make(eml("iso-2022-jp")).text == "こんにちは、田中さん。\n明日の会議は10時です。\n"
    assert make(eml("iso-2022-jp")).subject == "ご参加ありがとう"
    assert make(eml("latin1-header")).subject == "Mañana"
    assert make(eml("latin1-header")).text == "Mañana, € 5\n"


def test_plain_is_the_html_as_text_where_there_is_no_other(make) -> None:
    message = make("Content-Type: text/html; charset=utf-8\n\n<p>Hi <b>Bob</b></p><p>bye</p>")
    assert message.text is None
    assert message.plain == "Hi Bob\n\nbye"


def test_the_charset_of_html_may_stand_in_it(make) -> None:
    html = '<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-2"><p>\xb1</p>'.encode("latin-1")
    assert "ą" in (make(b"Content-Type: text/html\r\n\r\n" + html).html or "")


def test_attachments_and_inline(make, eml) -> None:
    message = make(eml("nested"))
    (pdf,) = message.attachments
    assert (pdf.filename, pdf.content_type, pdf.content, pdf.size) == (
        "Rechnung № 1.pdf",
        "application/pdf",
        b"%PDF-1.4\n",
        9,
    )
    assert pdf.sha256 == sha256(b"%PDF-1.4\n").hexdigest()
    (logo,) = message.inline
    assert (logo.filename, logo.content_id, logo.content[:4]) == ("logo.png", "logo@example.com", b"\x89PNG")


def test_an_invitation_is_inline_and_its_file_attached(make, eml) -> None:
    message = make(eml("invitation"))
    assert [part.content_type for part in message.inline] == ["text/calendar"]
    assert [part.filename for part in message.attachments] == ["invite.ics"]
    assert message.inline[0].content.startswith(b"BEGIN:VCALENDAR")


def test_a_message_inside_is_one_attachment(make, eml) -> None:
    message = make(eml("forwarded"))
    assert message.text == "See below."
    first, second = message.attachments
    assert (first.filename, first.content_type) == ("original.eml", "message/rfc822")
    assert second.content == b"Subject: Short\r\n\r\nOnly text."


def test_saving(make, eml, tmp_path) -> None:
    message = make(eml("nested"))
    assert message.save(tmp_path) == tmp_path / f"{message.id}.eml"
    assert (tmp_path / f"{message.id}.eml").read_bytes() == message.raw
    assert message.save(str(tmp_path / "x.eml")).read_bytes() == message.raw
    assert message.attachments[0].save(tmp_path).name == "Rechnung № 1.pdf"
    assert message.attachments[0].save(tmp_path / "y").read_bytes() == b"%PDF-1.4\n"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\a.txt", "a.txt"),
        ("", "attachment"),
        ("..", "attachment"),
        ("a\0b", "a_b"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("a" * 500 + ".pdf", "a" * 130 + ".pdf"),
        ("x.", "x"),
        ("a/", "attachment"),
    ],
)
def test_saved_names_stay_in_the_folder(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_session_and_transcript(make) -> None:
    session = Session("smtp", ("127.0.0.1", 5), scope="x")
    message = make("", session=session, transcript=b"C 0.1 MAIL \xff\n")
    assert message.session is session
    assert message.transcript == "C 0.1 MAIL \ufffd\n"


def test_without_a_session_there_is_a_closed_record(make) -> None:
    message = make("", origin="deliver", scope="s")
    session = message.session
    assert (session.peer, session.open, session.scope, session.transcript) == (("", 0), False, "s", "")
    assert session.id == message.id
    assert message.session is session
    session.disconnect()


def test_defects(make, eml) -> None:
    assert make(eml("nested")).defects == []
    assert any("never comes" in defect for defect in make(eml("broken-boundary")).defects)
    assert any("no empty line" in defect for defect in make(eml("no-separator")).defects)
    odd = make("Content-Type: text/plain; charset=klingon\nContent-Transfer-Encoding: rot13\n\nx")
    assert [defect for defect in odd.defects if "klingon" in defect or "rot13" in defect] == [
        "text/plain: unknown charset 'klingon'",
        "text/plain: unknown transfer encoding 'rot13'",
    ]


def test_copies_are_asked_for_each_time(make) -> None:
    message = make("")
    assert message.copies == [("copies of", 1)]


def test_identity(make, owner) -> None:
    one, two = make("a"), make("a")
    assert one == Message(one._row, owner)
    assert hash(one) == hash(Message(one._row, owner))
    assert one != two
    assert one != "x"


def test_repr_reads_well_even_without_bytes(make, owner) -> None:
    message = make("Subject: Hi\n\n", ["a@x", "b@x", "c@x", "d@x"])
    assert repr(message) == "<Message #1 'Hi' from <a@example.com> to a@x, b@x, c@x, ...>"

    def gone(seq: int) -> bytes:
        raise StoreError("cleared")

    owner._raw = gone
    assert "(cleared)" in repr(Message(message._row, owner))


# ---------------------------------------------------------------- exactly one


def test_attachment(make, eml) -> None:
    message = make(eml("nested"))
    assert message.attachment(content_type="application/pdf").size == 9
    assert message.attachment(filename=re.compile(r"\.png$")).content_type == "image/png"
    with pytest.raises(AssertionError, match=r"2 attachments match any attachment.*\n.*Rechnung.*\n.*logo"):
        message.attachment()
    with pytest.raises(AssertionError, match=r"no attachment matches filename='x'.*there are:\n.*Rechnung"):
        message.attachment(filename="x")
    with pytest.raises(TypeError, match="did you mean 'filename'"):
        message.attachment(file_name="x")
    with pytest.raises(AssertionError, match="none at all"):
        make("").attachment()


def test_link(make, eml) -> None:
    message = make(eml("reset"))
    assert message.link(text=re.compile("Reset")) == Link(
        "https://app.example/reset?token=abc123&user=7", "Reset my password", "Reset now"
    )
    with pytest.raises(AssertionError, match=r"links match href="):
        message.link(href=re.compile("app.example"))
    with pytest.raises(TypeError, match="'url' is no attribute of a link"):
        message.link(url="x")


def test_code(make, eml) -> None:
    message = make(eml("reset"))
    assert message.codes == ["847291"]
    assert message.code() == "847291"
    assert message.code(r"order (\d+)") == "20240017"
    assert message.code(re.compile(r"\$\d+")) == "$1999"
    with pytest.raises(AssertionError, match="no code matching 'absent'"):
        message.code("absent")
    with pytest.raises(AssertionError, match=r"codes in .* where one was expected: "):
        message.code(r"\d{4}")
    with pytest.raises(AssertionError, match="its text begins: 'nothing'"):
        make("\nnothing").code()


# ---------------------------------------------------------------- criteria


def test_matches(make, eml) -> None:
    message = make(eml("nested"), ["alice@example.org"])
    assert message.matches()
    assert message.matches(subject="Nested", from_="news@EXAMPLE.com", to="bob@example.org", recipients=ANY)
    assert message.matches(
        to=["bob@example.org", "alice@example.org"], cc=re.compile("^pat@"), bcc=[], html=re.compile("<b>")
    )
    assert message.matches(to=("alice@example.org", "bob@example.org"))
    assert not message.matches(to=("bob@example.org", "alice@example.org"))
    assert not message.matches(to=["bob@example.org"])
    assert not message.matches(subject="nested")
    assert message.matches(size=lambda size: size > 100, date=re.compile("2024-01-10"))
    assert message.matches(header={"MIME-Version": "1.0", "X-None": None}, where=lambda m: m.subject == "Nested")
    assert not message.matches(header={"MIME-Version": "2.0"})
    assert not message.matches(where=lambda _: False)
    assert message.matches(attachments=re.compile(r"\.pdf$"), inline="logo.png")
    assert message.matches(attachments=["Rechnung № 1.pdf"])
    assert not message.matches(attachments="logo.png")
    assert message.matches(attachments=lambda found: len(found) == 1)
    assert make("").matches(attachments=[], subject="", date=None)


def test_links_and_codes_match_by_what_is_in_them(make, eml) -> None:
    message = make(eml("reset"))
    assert message.matches(codes="847291", links="https://app.example/", text=re.compile("847291"))
    assert not message.matches(links="https://other.example/")


def test_unknown_criteria_name_the_nearest(make) -> None:
    with pytest.raises(TypeError, match="'subjet' is no criterion: did you mean 'subject'"):
        make("").matches(subjet="x")
    with pytest.raises(TypeError, match="'flags' is no criterion"):
        make("").matches(flags="\\Seen")
    with pytest.raises(TypeError, match="it is one of "):
        make("").matches(qqqq="x")
    with pytest.raises(TypeError, match="'_row'"):
        make("").matches(_row=1)


def test_every_criterion_is_an_attribute(make) -> None:
    for name in MESSAGE_CRITERIA - {"header", "where", "query"}:
        assert hasattr(Message, name), name
    for name in COPY_CRITERIA - {"header", "where", "query"}:
        assert hasattr(Copy, name), name


# ---------------------------------------------------------------- checks, reply


def test_checks_by_name(make) -> None:
    message = make("Subject: x\n\n")
    assert [finding.id for finding in message.lint()] == ["missing-date", "missing-from", "missing-message-id"]
    assert message.check("lint") == message.check() == message.lint()
    with pytest.raises(ConfigError, match="there is no check 'spam'; there are: lint"):
        message.check("spam")


def test_reply(make, eml) -> None:
    answer = make(eml("nested"), ["alice@example.org"]).reply("Thanks\n", cc="x@example.com", x_run="7")
    assert isinstance(answer, EmailMessage)
    assert answer["To"] == "help@example.com"
    assert answer["From"] == "alice@example.org"
    assert answer["Subject"] == "Re: Nested"
    assert answer["In-Reply-To"] == answer["References"] == "<nested@example.com>"
    assert (answer["Cc"], answer["X-Run"], answer.get_content()) == ("x@example.com", "7", "Thanks\n")


# ---------------------------------------------------------------- copies


@pytest.fixture
def copy(make, owner, mailbox):
    message = make("Subject: x\n\nbody")
    owner.rows[7] = CopyRow(7, message._row, frozenset({"\\Seen", "work"}), 12, 1709287300.0, 1709287300.0)
    return Copy(owner.rows[7], mailbox, owner)


def test_a_copy_is_a_message_with_state(copy, mailbox, owner) -> None:
    assert isinstance(copy, Message)
    assert (copy.subject, copy.uid, copy.mailbox, copy.account) == ("x", 7, mailbox, mailbox.account)
    assert (copy.flags, copy.modseq, copy.internal_date) == (
        {"\\Seen", "work"},
        12,
        datetime(2024, 3, 1, 10, 1, 40, tzinfo=UTC),
    )
    assert type(copy.message) is Message
    assert copy.message is copy.message
    assert (copy.message.id, copy.message.subject) == (copy.id, "x")
    assert owner.asked == [1]


def test_state_is_read_afresh(copy, owner) -> None:
    owner.rows[7] = CopyRow(7, copy._row, frozenset(), 13, 0.0, 0.0)
    assert (copy.flags, copy.modseq) == (frozenset(), 13)


def test_an_expunged_copy(copy, owner) -> None:
    del owner.rows[7]
    assert copy.subject == "x"
    assert copy.uid == 7
    for name in ("flags", "modseq", "internal_date"):
        with pytest.raises(StoreError, match=r"is not in .* any more"):
            getattr(copy, name)


def test_a_copy_whose_uid_is_anothers_now(copy, owner, make) -> None:
    owner.rows[7] = CopyRow(7, make("other")._row, frozenset(), 1, 0.0, 0.0)
    with pytest.raises(StoreError):
        _ = copy.flags


def test_copies_match_by_their_state(copy) -> None:
    assert copy.matches(flags="\\Seen", uid=7, subject="x", mailbox="INBOX", account="bob@example.com")
    assert copy.matches(flags={"work", "\\Seen"})
    assert copy.matches(flags=lambda flags: "work" in flags)
    assert copy.matches(flags=re.compile("^w"))
    assert not copy.matches(flags="\\Flagged")
    assert not copy.matches(flags=["work"])
    assert not copy.matches(mailbox="Sent")
    with pytest.raises(TypeError, match="did you mean 'flags'"):
        copy.matches(flag="x")


def test_copies_are_equal_by_place(copy, mailbox, owner) -> None:
    same = Copy(owner.rows[7], mailbox, owner)
    elsewhere = Copy(owner.rows[7], SimpleNamespace(name="Sent"), owner)
    assert copy == same
    assert hash(copy) == hash(same)
    assert copy != elsewhere
    assert copy != copy.message
    assert copy.message != copy


# ---------------------------------------------------------------- any bytes

PIECES = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b"--b\r\n",
        b"--b--\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: multipart/related; boundary=b\r\n",
        b"Content-Type: text/html; charset=utf-7\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"Content-Type: text/plain; charset=unicode_escape\r\n",
        b"Date: 99 Foo -1 x\r\n",
        b"Date: Thu, 1 Jan 99999 00:00:00 +9999\r\n",
        b"Date: 1 Jan 0001 00:00:00 +2359\r\n",
        b'From: =?utf-8?q?=22?= <"@\r\n',
        b"To: g: a@b, <x\r\n",
        b"Subject: =?utf-8?b?=80?=\r\n",
        b"Message-ID: <\r\n",
        b"References: \xff\r\n",
        b"Sender: ,\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"=\r\n",
        b"=ZZ",
        b'Content-Disposition: attachment; filename="../\0"\r\n',
        b"Content-ID: <>\r\n",
        b"<a href=x title='",
        b"</a>",
        b"<![x[",
        b"<!--",
        b"&#xffffffff; &bogus;",
        b"your code is 123456\r\n",
        b"http://x)))",
        b"\0",
        b"\x80\xff",
        b"DKIM-Signature: b=;;\r\n",
        b"MIME-Version: x\r\n",
        b"Content-Type: ; ;=\r\n",
        b"Reply-To: <>\r\n",
        b"Date: \r\n",
        b"Content-Language: \r\n",
    ]
)
ANYTHING = st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=25).map(b"".join))
ATTRIBUTES = sorted(MESSAGE_CRITERIA - {"header", "where", "query"})


@given(ANYTHING)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_raises_on_any_bytes(make, raw: bytes) -> None:
    message = make(raw)
    for name in ATTRIBUTES:
        getattr(message, name)
    for part in [*message.attachments, *message.inline]:
        assert len(part.content) == part.size
        assert part.filename is None or isinstance(part.filename, str)
        assert part.content_id is None or isinstance(part.content_id, str)
        assert part.content_type in repr(part)
        assert len(part.sha256) == 64
    for name in message.headers:
        assert message.headers.get_all(name)[0] == message.headers[name]
    assert all(str(finding) for finding in message.lint())
    assert message.snapshot().endswith("\n")
    assert message.snapshot(["a", re.compile("b")])
    message.reply("x").as_bytes()
    assert message.matches(subject=message.subject, raw=raw)
    assert repr(message)
    for name in message.email:
        assert message.email.get_all(name)
