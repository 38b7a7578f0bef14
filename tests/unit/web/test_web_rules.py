"""Rules of RFCs that the pages and the API keep, each by itself."""

import pytest

from mailtrap import MailServer
from mailtrap.web.api.shapes import list_unsubscribe
from mailtrap.web.files import disposition
from mailtrap.web.guard import is_own_name
from mailtrap.web.html import with_parts


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<img src="cid:logo@x">', '<img src="/parts/2">'),
        ("<img src=CID:logo@x>", "<img src=/parts/2>"),
        ('<img src="cid:logo%40x">', '<img src="/parts/2">'),
        ("<p style=\"background: url('cid:logo@x')\">", "<p style=\"background: url('/parts/2')\">"),
        ('<img src="cid:other@x">', '<img src="cid:other@x">'),
        ("<p>cid:logo@x</p>", "<p>cid:logo@x</p>"),
    ],
)
def test_cid(html, expected):
    assert with_parts(html, {"logo@x": "/parts/2"}) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("report.pdf", 'attachment; filename="report.pdf"'),
        ("räume.csv", "attachment; filename=\"r_ume.csv\"; filename*=UTF-8''r%C3%A4ume.csv"),
        ("../../etc/passwd", 'attachment; filename="passwd"'),
        ("C:\\Windows\\a.txt", 'attachment; filename="a.txt"'),
        ('a"; filename="b', "attachment; filename=\"a_ filename_b\"; filename*=UTF-8''a%22%3B%20filename%3D%22b"),
        ("a\r\nSet-Cookie: x", None),
        ("", 'attachment; filename="attachment"'),
        ("...", 'attachment; filename="attachment"'),
    ],
)
def test_file_names(name, expected):
    found = disposition("attachment", name)
    assert found.isascii()
    assert found.isprintable()
    if expected is not None:
        assert found == expected


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("", True), ("localhost", True), ("mailtrap", True), ("127.0.0.1", True), ("::1", True), ("a.test", True),
        ("app.localhost", True), ("printer.local", True), ("a.internal", True), ("nas.home.arpa", True),
        ("mail.mine.net", True), ("example.com", False), ("localhost.evil.com", False), ("127.0.0.1.evil.com", False),
        ("arpa.evil", False), ("home.arpa.evil.com", False),
    ],
)  # fmt: skip
def test_names_of_this_machine(name, own):
    assert is_own_name(name, "mail.mine.net") is own


@pytest.mark.parametrize(
    ("post", "links", "errors"),
    [
        ("List-Unsubscribe=One-Click", "<https://example.com/u>", ""),
        ("List-Unsubscribe=One-Click", "<mailto:u@example.com>", "one-click needs an https link"),
        ("yes", "<https://example.com/u>", "List-Unsubscribe-Post is not List-Unsubscribe=One-Click"),
        ("", "https://example.com/u", "no link in angle brackets"),
        ("", "<ftp://example.com/u>", "neither mailto nor http: ftp://example.com/u"),
    ],
)
def test_one_click(post, links, errors):
    header = f"List-Unsubscribe: {links}\r\n" + (f"List-Unsubscribe-Post: {post}\r\n" if post else "")
    with MailServer(http_port=None) as server:
        message = server.deliver(f"{header}\r\n".encode(), recipients="bob@example.com")
        assert list_unsubscribe(message)["Errors"] == errors
