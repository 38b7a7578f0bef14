"""BINARY: parts without their Content-Transfer-Encoding."""

import base64

import pytest

from .conftest import MAIL

CONTENT = bytes(range(256)) * 3
PARTS = (
    b"Subject: parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"Gr=C3=BC=\r\n=C3=9Fe\r\n"
    b"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.encodebytes(CONTENT).replace(b"\n", b"\r\n")
    + b"--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: x-secret\r\n\r\n???\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=\r\n--b--\r\n"
)


@pytest.fixture
def client(world):
    world.put(PARTS)
    return world.select()


class TestFetch:
    def test_text(self, client):
        assert client.ok("FETCH 1 BINARY.PEEK[1]") == "* 1 FETCH (BINARY[1] {7}\r\nGrüße)\r\n".encode()

    def test_nul_goes_in_a_literal8(self, client):
        assert client.ok("FETCH 1 BINARY.PEEK[2]") == b"* 1 FETCH (BINARY[2] ~{768}\r\n" + CONTENT + b")\r\n"

    def test_a_partial_is_of_the_decoded_form(self, client):
        answer = client.ok("FETCH 1 BINARY.PEEK[2]<256.2>")
        assert answer == b"* 1 FETCH (BINARY[2]<256> ~{2}\r\n\x00\x01)\r\n"
        assert client.ok("FETCH 1 BINARY.PEEK[2]<5000.2>") == b"* 1 FETCH (BINARY[2]<5000> {0}\r\n)\r\n"

    def test_sizes(self, client):
        answer = client.ok("FETCH 1 (BINARY.SIZE[1] BINARY.SIZE[2] BINARY.SIZE[9] BINARY.SIZE[])")
        assert answer == (
            b"* 1 FETCH (BINARY.SIZE[1] 7 BINARY.SIZE[2] 768 BINARY.SIZE[9] 0 BINARY.SIZE[] %d)\r\n" % len(PARTS)
        )

    def test_seen(self, client, world):
        client.ok("FETCH 1 (BINARY.PEEK[2] BINARY.SIZE[2])")
        assert "\\Seen" not in world.flags(1)
        assert b"FLAGS (\\Seen \\Recent) BINARY[2]" in client.ok("FETCH 1 BINARY[2]")
        assert "\\Seen" in world.flags(1)

    def test_what_has_no_encoding_of_its_own(self, client):
        assert client.ok("FETCH 1 BINARY.PEEK[]") == b"* 1 FETCH (BINARY[] {%d}\r\n%b)\r\n" % (len(PARTS), PARTS)
        inside = b"Content-Transfer-Encoding: base64\r\n\r\naGk="
        assert client.ok("FETCH 1 BINARY.PEEK[4]") == b"* 1 FETCH (BINARY[4] {%d}\r\n%b)\r\n" % (len(inside), inside)
        assert client.ok("FETCH 1 BINARY.PEEK[4.1]") == b"* 1 FETCH (BINARY[4.1] {2}\r\nhi)\r\n"
        assert client.ok("FETCH 1 BINARY.PEEK[7]") == b"* 1 FETCH (BINARY[7] NIL)\r\n"

    @pytest.mark.parametrize(
        ("kind", "content", "served"),
        [
            (b"text/plain", b"a\nb\r\n\n", b"a\r\nb\r\n\r\n"), (b"TEXT/html; charset=utf-8", b"<p>\n", b"<p>\r\n"),
            (b"text/plain; charset=UTF-16", b"\xff\xfea\0\n\0", b"\xff\xfea\0\n\0"),
            (b"text/plain; charset=utf-16be", b"\n\n", b"\n\n"), (b"application/json", b"{\n}\n", b"{\n}\n"),
        ],
    )  # fmt: skip
    def test_lines_of_text_end_with_crlf(self, world, kind, content, served):
        # RFC 3516, 6
        encoded = base64.b64encode(content)
        world.put(b"Content-Type: %b\r\nContent-Transfer-Encoding: base64\r\n\r\n%b\r\n" % (kind, encoded))
        client = world.select()
        eight, part = b"~" if b"\0" in served else b"", served[1:3]
        assert client.ok("FETCH 1 (BINARY.SIZE[1] BINARY.PEEK[1] BINARY.PEEK[1]<1.2>)") == (
            b"* 1 FETCH (BINARY.SIZE[1] %d BINARY[1] %b{%d}\r\n%b BINARY[1]<1> %b{%d}\r\n%b)\r\n"
            % (len(served), eight, len(served), served, b"~" if b"\0" in part else b"", len(part), part)
        )

    def test_an_unknown_encoding(self, client):
        assert client.no("FETCH 1 BINARY.PEEK[3]").startswith("NO [UNKNOWN-CTE]")
        assert client.no("FETCH 1 BINARY.SIZE[3]").startswith("NO [UNKNOWN-CTE]")
        assert client.ok("FETCH 1 BODY.PEEK[3]") == b"* 1 FETCH (BODY[3] {3}\r\n???)\r\n"

    @pytest.mark.parametrize(
        "item",
        ["BINARY", "BINARY[", "BINARY[TEXT]", "BINARY[1.MIME]", "BINARY[0]", "BINARY.SIZE[1]<0.1>", "BINARY.SIZE"],
    )
    def test_bad_syntax(self, client, item):
        client.bad(f"FETCH 1 {item}")

    def test_taken_away(self, make_world):
        world = make_world(imap_capabilities=frozenset({"-BINARY"}))
        world.put()
        client = world.select()
        client.bad("FETCH 1 BINARY.PEEK[1]")
        assert client.send(b"a APPEND INBOX ~{1+}\r\nx\r\n").startswith(b"a BAD")


class TestAppend:
    def test_a_literal8(self, world, client):
        raw = b"Content-Transfer-Encoding: binary\r\n\r\n\x00\x01\xff\r\n"
        assert b"x OK" in client.send(b"x APPEND INBOX ~{%d+}\r\n%b\r\n" % (len(raw), raw))
        assert client.send(b"y APPEND INBOX (\\Seen) ~{%d}\r\n" % len(MAIL)).startswith(b"+ ")
        assert b"y OK" in client.send(MAIL + b"\r\n")
        assert client.ok("FETCH 2 BINARY.PEEK[1]") == b"* 2 FETCH (BINARY[1] ~{5}\r\n\x00\x01\xff\r\n)\r\n"
