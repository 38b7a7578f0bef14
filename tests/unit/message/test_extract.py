from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailtrap.message import markup
from mailtrap.message.extract import find_codes, urls
from mailtrap.message.markup import Anchor, anchors, to_text
from mailtrap.message.model import Link

# ---------------------------------------------------------------- codes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Your verification code is 123456.", ["123456"]),
        ("123456 is your Foo verification code", ["123456"]),
        ("Your code: 4711", ["4711"]),
        ("Code\n\n  991 234\n\nIt expires.", ["991234"]),
        ("Your one-time code is 123-456", ["123-456"]),
        ("G-123456 is your Google verification code.", ["G-123456"]),
        ("Use this code to sign in:\n\nA1B2-C3D4\n", ["A1B2-C3D4"]),
        ("Your code is: XKCDQR", ["XKCDQR"]),
        ("Enter code 7F3K9Q to continue", ["7F3K9Q"]),
        ("PIN 0042", ["0042"]),
        ("Your PIN is 2024", ["2024"]),
        ("OTP: 12345678", ["12345678"]),
        ("Ihr Einmalpasswort lautet 556677", ["556677"]),
        ("Ihr Bestätigungscode: 8812", ["8812"]),
        ("Ihre TAN ist 445566.", ["445566"]),
        ("Su código es 9090", ["9090"]),
        ("Il tuo codice: 1212", ["1212"]),
        ("您的验证码是 889900", ["889900"]),
        ("To log in, enter this security code in the window that is still open:\n\n482913\n\nThanks", ["482913"]),
        ("Your code\n1 2 3 4 5 6\n", ["123456"]),
        ("your code is 1111, and again your code is 1111", ["1111"]),
        ("Your code for order 12345678 is 4711", ["4711"]),
        ("**Code:** 123456", ["123456"]),
    ],
)
def test_codes(text: str, expected: list[str]) -> None:
    assert find_codes(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Order 12345678 has shipped",
        "The price is 1999.00 EUR",
        "Your promo code SAVE2024 gives 2000 points",
        "Use discount code 123456 at the till",
        "Zip code 90210",
        "Your code expires in 1800 seconds",
        "This code expires soon. (c) 2024 Foo Inc, 1234 Main St",
        "Verification of your account 2023-12-01",
        "Verification: call +1 555 867 5309",
        "The code is on page https://example.com/code/123456",
        "The code costs $4999",
        "The code costs 4999 EUR",
        "error code 5001",
        "the code of conduct of 1999",
        "Ihr Gutscheincode: 12345",
        "Meet at 1030",
        "",
        "code",
        "Your invoice no. 556677 and the code you know",
        "version 1.2.3456 of the code",
    ],
)
def test_what_is_no_code(text: str) -> None:
    assert find_codes(text) == []


def test_codes_of_a_mail(make, eml) -> None:
    assert make("Subject: 123456 is your code\n\nHello").codes == ["123456"]
    assert make("Subject: Your code is 1234\n\nYour code is 1234").codes == ["1234"]
    assert make(
        "Content-Type: text/html\n\n<p>Your code</p><table><tr><td>1</td><td>2</td><td>3</td><td>4</td></tr></table>"
    ).codes == ["1234"]
    assert make(eml("utf8")).codes == []


# ---------------------------------------------------------------- links


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://example.com.", ["https://example.com"]),
        ("(https://example.com/a)", ["https://example.com/a"]),
        ("https://en.example/wiki/A_(b)", ["https://en.example/wiki/A_(b)"]),
        ("<https://example.com/x?a=1&b=2>", ["https://example.com/x?a=1&b=2"]),
        ('"http://a.example/", and http://b.example/!', ["http://a.example/", "http://b.example/"]),
        ("[text](https://md.example/x)", ["https://md.example/x"]),
        ("HTTPS://UP.example/", ["HTTPS://UP.example/"]),
        ("https://münchen.example/straße", ["https://münchen.example/straße"]),
        ("https://", []),
        ("nothttp://x", []),
        ("mailto:a@example.com", []),
    ],
)
def test_urls(text: str, expected: list[str]) -> None:
    assert urls(text) == expected


def test_links_of_a_mail(make, eml) -> None:
    links = make(eml("reset")).links
    assert links == [
        Link("https://app.example/", "App", None),
        Link("https://app.example/reset?token=abc123&user=7", "Reset my password", "Reset now"),
        Link("mailto:help@app.example", "Help", None),
        Link("https://app.example/help(faq)", "https://app.example/help(faq)", None),
    ]


def test_links_of_a_text_mail(make) -> None:
    assert make("\nhttp://a.example http://a.example").links == [Link("http://a.example", "http://a.example")]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<a href="x">y</a>', [Anchor("x", "y", None)]),
        ("<A HREF='x' TITLE=t>y <b>z</b>\n w</A>", [Anchor("x", "y z w", "t")]),
        ("<a href=x&amp;y=1>&lt;z&gt;</a>", [Anchor("x&y=1", "<z>", None)]),
        ('<a href="a">one<a href="b">two', [Anchor("a", "one", None), Anchor("b", "two", None)]),
        ('<a href="a"><div>one</div><div>two</div></a>', [Anchor("a", "one two", None)]),
        ('<a href="a" href="b">x</a>', [Anchor("a", "x", None)]),
        ('<a href="a>b">x</a>', [Anchor("a>b", "x", None)]),
        ('<a href="  a ">x</a><a>no</a><a href="">no</a><a href="#x">no</a>', [Anchor("a", "x", None)]),
        ('<a href="a"><img alt="i" src=x> </a>', [Anchor("a", "i", None)]),
        ('<map><area href="a" alt="b"></map>', [Anchor("a", "b", None)]),
        ('<!-- <a href="a">x</a> --><script>"<a href=b>"</script>', []),
        ('<a href="a', []),
    ],
)
def test_anchors(html: str, expected: list[Anchor]) -> None:
    assert anchors(html) == expected


# ---------------------------------------------------------------- text of HTML


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("a  b\n c", "a b c"),
        ("<p>a</p><p>b</p>", "a\n\nb"),
        ("<div>a</div><div><div>b</div></div>", "a\nb"),
        ("a<br>b<br/>c<br><br>d", "a\nb\nc\n\nd"),
        ("<b>a</b><i>b</i> <u>c</u>", "ab c"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("a&nbsp;&amp;&eacute;&#8364;", "a &é€"),
        ("<style>x</style><script>y</script><title>z</title>a", "a"),
        ("<script>never closed", ""),
        ("a<!-- b -->c<!DOCTYPE x><?xml?>d</>e", "acde"),
        ("a < b <3", "a < b <3"),
        ("a<!-- never closed", "a"),
        ("a<b title='>'>c", "ac"),
        ("a<b title='>c", "ac"),
        ("zero\u200bwidth\u00ad", "zerowidth"),
        ("<![if x]>a<![endif]>", "a"),
        ("<p>a</p>\n\n  <p> b </p>", "a\n\nb"),
    ],
)
def test_text_of_html(html: str, expected: str) -> None:
    assert to_text(html) == expected


def test_a_real_html_mail(make, eml) -> None:
    message = make(eml("reset"))
    text = to_text(message.html or "")
    assert text.startswith(
        "Reset your password\n\nHi Ann & co,\nsomeone asked for it.\n\nReset my password\n\n"
        "Or enter this code:\n\n847291\n"
    )
    assert "- one\n- two" in text
    assert find_codes(text) == ["847291"]


@given(
    st.one_of(
        st.text(max_size=100),
        st.lists(
            st.sampled_from(
                [
                    "<",
                    ">",
                    "'",
                    '"',
                    "<a href=",
                    "</a>",
                    "<!--",
                    "-->",
                    "<pre>",
                    "</pre>",
                    "&",
                    "&#",
                    "&#x110000;",
                    "x",
                    " ",
                    "=",
                    "/",
                    "<script>",
                    "<![CDATA[",
                    "<?",
                    "\n",
                    "code",
                    "1234",
                    "-",
                    "http://",
                    ")",
                    "<td>",
                    "<img alt=",
                ]
            ),
            max_size=40,
        ).map("".join),
    )
)
def test_any_text(html: str) -> None:
    assert isinstance(to_text(html), str)
    assert all(anchor.href for anchor in anchors(html))
    find_codes(html)
    assert all("://" in url for url in urls(html))


PIECES = [
    "<p>", "</p>", "<P class='a>b'>", "<br/>", "</br>", "<li>", "</li>", "<td>", "</td>", "<th x>", "<div>", "<pre>",
    "</pre>", "<style>", "</style>", "<STYLE type=x>", "</Style >", "<title>", "<script", "</script>", "<template/>",
    "</template", "<!-- a", "-->", "<!doctype html>", "<?xml", "</ 3>", "</", "<", ">", '"', "'", " ", "\n", "\r\n",
    "\t", "  ", "\f", "\x0b", "a", "b c", "&amp;", "&nbsp;", "&#32;&#10;", "&lt;p&gt;", "\xa0", "\u200b",
    '<a href="x<y">', "<b", "/", "<x-y>", "<hr/>", "<table", "<!", "<!-", "=", "<styles>",
]  # fmt: skip


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_the_short_way_to_text_leads_where_the_long_one_does(html: str) -> None:
    short = markup._split_to_text(html)
    assert short is None or short == markup._scan_to_text(html)


@pytest.mark.parametrize(
    "html",
    [
        "<html><head><title>T</title><style>p > a {}</style></head><body><p class='x'>Hi <b>you</b></p></body></html>",
        "<!DOCTYPE html><!--[if mso]><table><![endif]--><ul><li>a<li>b</ul>x&amp;y<br>z",
        "<p>one\n  two</p>\r\n<p>three</p>",
    ],
)
def test_usual_html_goes_the_short_way(html: str) -> None:
    assert markup._split_to_text(html) == markup._scan_to_text(html)


@pytest.mark.parametrize(
    "text",
    [
        "<a '\" " * 30_000,
        "<" * 200_000,
        "<!--" * 60_000,
        "<a href='" * 30_000,
        "<pre>" * 40_000,
        "<a x " * 40_000,
        "http://" + ")" * 200_000,
        "code 1234 http://a.example " * 8_000,
        "code " * 40_000,
        "1234 " * 40_000,
        "a-" * 100_000,
        "&" * 200_000,
        "code\n" + "\n" * 200_000,
        "1 " * 100_000,
        " " * 300_000,
        "<script>" * 30_000,
        "<td>x" * 40_000,
        "<style>a</style>" * 20_000,
        "<style>" + "</styl" * 60_000,
        "<!-- a -->" * 30_000 + "<",
        "</" * 100_000,
    ],
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    start = process_time()
    to_text(text)
    anchors(text)
    urls(text)
    find_codes(text)
    assert process_time() - start < 4.0
