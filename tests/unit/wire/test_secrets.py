"""What of a command may be written down."""

import pytest

from mailtrap.wire.secrets import redacted


@pytest.mark.parametrize(
    ("line", "written"),
    [
        (b"AUTH PLAIN AGEAYg==", b"AUTH PLAIN ***"),
        (b"AUTH PLAIN", b"AUTH PLAIN"),
        (b"auth scram-sha-256 biws", b"auth scram-sha-256 ***"),
        (b"AUTH LOGIN c2VjcmV0", b"AUTH LOGIN ***"),
        (b"AUTH", b"AUTH"),
        (b"AUTH AGFubkBleGFtcGxlLmNvbQ==", b"AUTH ***"),
        (b"AUTH Sup3rSecret", b"AUTH ***"),
        (b"AUTHPLAIN AGEAYg==", b"AUTH ***"),
        (b" AUTH\tPLAIN\tAGEAYg==", b" AUTH ***"),
        (b"a AUTHENTICATE PLAIN AGEAYg==", b"a AUTHENTICATE PLAIN ***"),
        (b"a AUTHENTICATE  PLAIN  AGEAYg==", b"a AUTHENTICATE  PLAIN ***"),
        (b"PASS secret words", b"PASS ***"),
        (b"PASSsecret", b"PASS ***"),
        (b"PASS", b"PASS"),
        (b"PASS ", b"PASS "),
        (b"APOP bob 0123456789", b"APOP bob ***"),
        (b"a LOGIN bob secret", b"a LOGIN bob ***"),
        (b'a LOGIN "bob smith" "secret"', b'a LOGIN "bob smith" ***'),
        (b'a LOGIN bob "secret', b"a LOGIN bob ***"),
        (b"a LOGIN {3+}\r\nbob {6+}\r\nsecret", b"a LOGIN {3+}\r\nbob ***"),
        (b"a LOGIN bob\tsecret", b"a LOGIN bob ***"),
        (b"LOGIN bob secret", b"LOGIN bob ***"),
        (b"a LOGIN bob", b"a LOGIN bob"),
        (b"a LOGOUT", b"a LOGOUT"),
        (b"a SELECT LOGIN", b"a SELECT LOGIN"),
        (b"MAIL FROM:<pass@x> AUTH=<>", b"MAIL FROM:<pass@x> AUTH=<>"),
        (b"USER bob", b"USER bob"),
        (b"", b""),
    ],
)
def test_redacted(line, written):
    assert redacted(line) == written
