import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtrap.message.collation import folded
from mailtrap.message.facts import KINDS, Facts, compute, head_text, named_in, weight
from mailtrap.message.parse import Mail
from mailtrap.message.structure import served


def known(raw: bytes, *kinds: str) -> Facts:
    facts = Facts()
    compute(facts, raw, kinds)
    return facts


def test_only_what_was_asked_for_is_computed(eml) -> None:
    facts = known(eml("reset"), "size", "envelope", "headers")
    assert facts.missing(KINDS) == [
        "structure",
        "body",
        "bodystructure",
        "header",
        "head",
        "text",
        "preview",
        "attached",
        "sorting",
        "threading",
        "plain_size",
    ]


def test_what_is_known_is_not_computed_again(eml) -> None:
    facts = known(eml("reset"), "structure")
    tree = facts.structure
    compute(facts, b"", ("structure",))
    assert facts.structure is tree
    compute(facts, eml("reset"), KINDS)
    assert facts.structure is tree
    assert facts.missing(KINDS) == []


def test_the_tree_is_kept_where_another_kind_needs_it(eml) -> None:
    assert known(eml("nested"), "bodystructure").structure is not None


def test_size_is_as_served(eml) -> None:
    raw = eml("bare-lf")
    assert known(raw, "size").size == len(served(raw)) == len(raw) + raw.count(b"\n")


def test_headers_are_decoded(eml) -> None:
    facts = known(eml("utf8"), "headers")
    assert facts.headers is not None
    headers = dict(facts.headers)
    assert headers["subject"] == "Ihre Bestellung für März – danke!"
    assert headers["from"] == "Käse & Brot <info@shop.example>"
    assert "\n" not in headers["received"]


def test_text_is_that_of_all_text_parts_folded(eml) -> None:
    text = known(eml("nested"), "text").text
    assert text is not None
    assert folded("CAFÉ at noon?") in text  # of text/plain and of the HTML, without its tags
    assert "<b>" not in text
    assert "the footer of a list" in text
    text = known(eml("forwarded"), "text").text
    assert text is not None
    assert "hello carol" in text
    assert "only text." in text


def test_preview(eml) -> None:
    preview = known(eml("reset"), "preview").preview
    assert preview is not None
    assert preview.startswith("Reset your password Hi Ann & co, someone asked for it. Go to https://app.example/reset?")
    assert len(preview) == 200
    assert known(b"", "preview").preview == ""


def test_every_kind_of_every_eml(eml) -> None:
    for name in (
        "empty",
        "no-header",
        "nul",
        "broken-boundary",
        "huge-header",
        "digest",
        "no-separator",
        "iso-2022-jp",
    ):
        assert known(eml(name), *KINDS).missing(KINDS) == [], name


def test_unknown_kinds_are_an_error() -> None:
    with pytest.raises(AttributeError):
        known(b"", "colour")


def test_weight_grows_with_what_is_kept(eml) -> None:
    small, large = known(eml("reset"), "size"), known(eml("reset"), *KINDS)
    assert 0 < weight(small) < weight(large)
    body = b"Subject: x\r\n\r\n" + b"text " * 100_000
    assert weight(known(body, "text")) >= len(body)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.sampled_from(
                [
                    b"A: b\r\n",
                    b"\r\n",
                    b"\n",
                    b"From x\r\n",
                    b" y\r\n",
                    b"z",
                    b":",
                    b"C: =?utf-8?q?=41?=\n",
                    b"\n\n",
                    b"\r",
                ]
            )
        ).map(b"".join),
    )
)
def test_fields_are_the_same_with_and_without_the_tree(raw: bytes) -> None:
    quick, thorough = Mail(raw), Mail(raw)
    assert thorough.root is not None
    assert quick.fields == thorough.fields
    facts = known(raw, *KINDS)
    assert facts.missing(KINDS) == []
    assert facts.headers == known(raw, "headers").headers
    assert facts.envelope == known(raw, "envelope").envelope
    assert weight(facts) > 0


def test_the_fields_asked_for_last_are_kept_and_no_others(eml) -> None:
    facts = known(b"Subject: a\r\nFrom: b\r\nTo: c\r\n\r\nx", "header")
    subject, sender = frozenset({b"subject"}), frozenset({b"from"})
    first = facts.subset(subject, False)
    assert first == b"Subject: a\r\n\r\n"
    assert facts.subset(frozenset({b"subject"}), False) is first
    assert facts.subset(subject, True) == b"From: b\r\nTo: c\r\n\r\n"
    assert facts.subset(sender, False) == b"From: b\r\n\r\n"
    assert facts.subset(subject, False) == first


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "subject"]), st.text("xyÄß\n :", max_size=8)), max_size=5),
    st.sampled_from(["a", "b", "subject"]), st.text("xyÄ :", max_size=3),
)  # fmt: skip
def test_a_field_is_found_in_the_text_of_the_header_as_in_the_fields(pairs, name, text) -> None:
    wanted = folded(text)
    assert named_in(head_text(pairs), name, wanted) is any(
        field == name and wanted in folded(value.replace("\n", "\n ")) for field, value in pairs
    )


def test_a_line_end_in_an_encoded_word_begins_no_field() -> None:
    facts = known(b"From: =?utf-8?q?a=0Asubject:_invoice?=\r\nSubject: other\r\n\r\nx", "head")
    assert facts.head is not None
    assert not named_in(facts.head, "subject", "invoice")
    assert named_in(facts.head, "from", "invoice")
    assert named_in(facts.head, "subject", "other")
