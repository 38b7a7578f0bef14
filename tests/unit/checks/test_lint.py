from types import SimpleNamespace

import pytest

from mailtrap.checks import CHECKS, Finding, run
from mailtrap.checks.lint import lint
from mailtrap.message.parse import Mail

GOOD = "Date: Fri, 1 Mar 2024 10:00:00 +0000\r\nFrom: a@example.com\r\nMessage-ID: <1@example.com>\r\n"


def findings(raw: bytes | str) -> list[Finding]:
    return lint(SimpleNamespace(_parsed=Mail(raw if isinstance(raw, bytes) else raw.encode())))  # type: ignore[arg-type]


def ids(raw: bytes | str) -> list[str]:
    return [finding.id for finding in findings(raw)]


def test_a_good_mail_has_no_findings() -> None:
    assert findings(GOOD + "Subject: x\r\n\r\nbody\r\n") == []
    mime = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    assert findings(GOOD + mime + "\r\nnaïve\r\n") == []


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Subject: x\r\n\r\n", ["missing-date", "missing-from", "missing-message-id"]),
        (GOOD + "\r\nbare\nLF\n", ["bare-lf"]),
        (GOOD + "\r\nbare\rCR\r\n", ["bare-cr"]),
        (GOOD + "\r\nnul\0\r\n", ["nul"]),
        (GOOD + "\r\n" + "x" * 998 + "\r\n", []),
        (GOOD + "\r\n" + "x" * 999 + "\r\n", ["long-line"]),
        (GOOD + "Subject: x\r\nsubject: y\r\n\r\n", ["duplicate-header"]),
        (GOOD + "Received: x\r\nReceived: y\r\n\r\n", []),
        (GOOD + "\r\né\r\n", ["undeclared-8bit", "undeclared-charset"]),
        (GOOD + "Subject: é\r\n\r\n", ["8bit-header"]),
        (GOOD + "Sender x\r\n\r\n", ["no-field"]),
        (GOOD + "body at once", ["no-separator"]),
        ("no header", ["missing-date", "missing-from", "missing-message-id", "no-separator"]),
        (GOOD.replace("1 Mar", "41 Mar") + "\r\n", ["invalid-date"]),
        (GOOD.replace("<1@example.com>", "1") + "\r\n", ["invalid-message-id"]),
        (GOOD.replace("a@example.com", "nobody") + "\r\n", ["invalid-from"]),
        (GOOD.replace("a@example.com", "a@x, b@x") + "\r\n", ["missing-sender"]),
        (GOOD.replace("a@example.com", "a@x, b@x") + "Sender: a@x\r\n\r\n", []),
        (GOOD + "Content-Type: text/plain\r\n\r\n", ["missing-mime-version"]),
        (GOOD + "MIME-Version: 1.0\r\nContent-Type: multipart/mixed\r\n\r\n", ["broken-mime"]),
        (GOOD + "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx", ["broken-mime"]),
        (
            GOOD
            + 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b*b"\r\n\r\n--b*b\r\n\r\nx\r\n--b*b--',
            ["invalid-boundary"],
        ),
        (
            GOOD + "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n"
            "--b\r\n\r\nx\r\n--b--",
            ["encoded-multipart"],
        ),
        (
            GOOD + "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=klingon\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\né",
            ["unknown-charset"],
        ),
        (
            GOOD.encode() + b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            b"Content-Transfer-Encoding: 8bit\r\n\r\n\xff",
            ["wrong-charset"],
        ),
        (
            GOOD
            + "MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E9",
            ["undeclared-charset"],
        ),
    ],
)
def test_each_rule(raw: bytes | str, expected: list[str]) -> None:
    assert ids(raw) == expected


def test_findings_say_where() -> None:
    (finding,) = findings(GOOD + "\r\none\r\ntwo\nthree\n")
    assert (finding.where, finding.message) == ("line 6", "2 LF without its other half")
    assert str(finding) == "error bare-lf (line 6): 2 LF without its other half [RFC 5322, 2.3]"
    text = (
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n"
        "Content-Type: message/rfc822\r\n\r\nContent-Type: text/plain\r\n\r\né\r\n--b--"
    )
    assert {finding.where for finding in findings(GOOD + text)} == {"part 2.1"}


def test_every_finding_has_a_reference(eml_files) -> None:
    for path in eml_files:
        for finding in findings(path.read_bytes()):
            assert finding.reference.startswith("RFC "), finding
            assert finding.severity in ("error", "warning", "info")


def test_each_check_in_the_table_can_be_run(eml_files) -> None:
    message = SimpleNamespace(_parsed=Mail(eml_files[0].read_bytes()))
    for name in CHECKS:
        assert isinstance(run(message, [name]), list)  # type: ignore[arg-type]
