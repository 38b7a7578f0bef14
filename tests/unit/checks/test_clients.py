"""What mail programs lack of what a mail uses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtrap import ConfigError
from mailtrap.checks import client_table
from mailtrap.checks.client_table import CLIENTS
from mailtrap.checks.clients import unsupported, uses

TABLES = {
    name: table for name, table in vars(client_table).items()
    if name.isupper() and name != "CLIENTS" and isinstance(table, dict)
}  # fmt: skip


def ids(html: str, client: str = "gmail") -> set[str]:
    return {use.id for use in uses(html, client)}


def test_the_table_is_whole():
    words = [word for table in TABLES.values() for word in table.values()]
    assert len(words) > 120
    assert all(len(word) == len(CLIENTS) and set(word) <= set("yan?") for word in words)


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ("<div style='display:flex'>", {"css-display-flex"}),
        ("<div style='DISPLAY : inline-flex !important; gap:1rem'>", {"css-display-flex", "css-gap", "css-unit-rem"}),
        ("<p style='color:red; margin:0'>plain</p>", set()),
        ("<p style='width:calc(100% - 10px)'>", {"css-calc"}),
        ("<p style='background:linear-gradient(red, rgba(0,0,0,.5))'>", {"css-linear-gradient", "css-rgba"}),
        ("<p style='font-family:\"position:absolute\"'>", set()),
        ("<p title='display:flex'>display:flex</p>", set()),
        ("<style>a:hover{color:red}</style>", {"html-style", "css-pseudo-hover"}),
        ("<style>a:hover,td>p{position:absolute}</style>", {
            "html-style", "css-pseudo-hover", "css-selector-child", "css-position"}),
        ("<style>/* display:grid; */ .x::before { content: 'a > b' }</style>", {"html-style", "css-pseudo-before"}),
        ("<style><!-- .x { opacity: .5 } --></style>", {"html-style", "css-opacity"}),
        ("<style>:root{--main:red} p{color:var(--main)}</style>", {"html-style", "css-var"}),
        ("<style>@media (prefers-color-scheme: dark) and (max-width:600px) { td { max-width: 5vw } }</style>", {
            "html-style", "css-at-media", "css-media-prefers-color-scheme", "css-max-width", "css-unit-vw"}),
        ("<style>@font-face{font-family:x;src:url(x)} @-webkit-keyframes a { from { opacity:0 } }</style>", {
            "html-style", "css-at-font-face", "css-at-keyframes", "css-opacity"}),
        ("<style>input[type=text] ~ p:not(.a > b) {color:red}</style>", {
            "html-style", "css-selector-attribute", "css-selector-sibling", "css-pseudo-not"}),
        ("<style>p { transform: none", {"html-style", "css-transform"}),
        ("<video src=x><source></video><form><input><input type=CHECKBOX></form>", {
            "html-video", "html-form", "html-input-text", "html-input-checkbox"}),
        ("<img src='https://x.test/a.webp?1' srcset='b 2x' loading=lazy>", {
            "image-webp", "html-attribute-srcset", "html-attribute-loading"}),
        ("<img src='data:image/png;base64,AAAA'>", {"image-data"}),
        ("<img src='https://x.test/a.png'><td background='x.png'>", {"html-attribute-background"}),
        ("<!-- <video> --><p>x", set()),
        ("<!-- <style>p{gap:1px}</style> -->", set()),
        ("", set()),
        ("<", set()),
        ("<!--", set()),
        ("<style", set()),
        ("<style>", {"html-style"}),
        ("<style>@{}}{;:", {"html-style"}),
    ],
)  # fmt: skip
def test_what_is_used(html, found):
    assert ids(html) == found


def test_each_program_is_judged_by_what_it_sees():
    html = (
        "<!--[if mso]><style>p{opacity:.5}</style><video></video><![endif]-->"
        "<!--[if !mso]><!--><div style='display:grid'></div><!--<![endif]-->"
        "<!--[if gte mso 9]><form><![endif]--><p style='float:left'>"
    )
    assert ids(html, "outlook") == {"html-style", "css-opacity", "html-video", "html-form", "css-float"}
    assert ids(html, "gmail") == {"css-display-grid", "css-float"}


def test_what_is_lacking():
    html = "<div style='display:flex; accent-color:red; border-radius:3px'>"
    found = unsupported(html, CLIENTS)
    assert {client: [use.id for use in lacks] for client, lacks in found.items() if client in ("gmail", "outlook")} == {
        "gmail": ["css-accent-color"],
        "outlook": ["css-accent-color", "css-border-radius", "css-display-flex"],
    }
    assert "apple-mail" not in found
    assert "thunderbird" not in found  # of accent-color nothing is known there: nothing is claimed
    full = unsupported(html, ["gmail", "yahoo"], "full")
    assert [use.id for use in full["gmail"]] == ["css-accent-color", "css-display-flex"]
    assert [use.id for use in full["yahoo"]] == ["css-accent-color", "css-border-radius"]
    assert unsupported("", CLIENTS) == {}


def test_what_nothing_is_known_of():
    with pytest.raises(ConfigError, match="nothing is known of 'lotus-notes'; there is: apple-mail, gmail, outlook,"):
        unsupported("", ["lotus-notes"])
    with pytest.raises(ConfigError, match="level is 'full' or 'partial', not 'most'"):
        unsupported("", ["gmail"], "most")  # type: ignore[arg-type]


@given(st.text(alphabet="<>!-[]ifmsoendyl style{}:;@()/*'\"#.,gapxv0123 \n", max_size=200))
def test_nothing_raises(html):
    for client in ("outlook", "gmail"):
        uses(html, client)


@pytest.mark.parametrize(
    "html",
    [
        "<!--" * 50_000, "<style>" * 50_000, "<style><!--" * 30_000, "<!--[if mso]>" * 30_000,
        "<!--[if !mso]><!-->" * 20_000, "<style>" + "/*" * 100_000, "<style>" + "{" * 100_000,
        "<style>" + "a:" * 100_000, "<p style='" + "calc(" * 50_000 + "'>", "<style>" + "@media (" * 30_000,
        "<style>" + "('" * 100_000, "<img src='" + "." * 200_000 + "'>",
    ],
    ids=range(12),
)  # fmt: skip
def test_it_is_linear(html):
    """The timeout of a test would tell."""
    uses(html, "outlook")
    uses(html, "gmail")
