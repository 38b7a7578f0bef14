"""Text in the columns of stores that speak SQL."""

from hypothesis import example, given
from hypothesis import strategies as st

from mailtrap.store.sql_values import text, untext

anything = st.text(st.characters() | st.sampled_from("\0\x1a\udc80\udcff0001a"))


@given(anything)
@example("\x1a0000")
@example("\x1a\x1a001a")
def test_any_text_is_found_again(value):
    column = text(value)
    assert untext(column) == value
    assert "\0" not in column
    column.encode()  # UTF-8 can say it


@given(anything, anything)
@example("\0", "\x1a0000")
def test_different_texts_are_different_columns(one, other):
    assert (text(one) == text(other)) is (one == other)


def test_plain_text_stays_as_it_is():
    assert text("bücher@example.com/Ordner 1") == "bücher@example.com/Ordner 1"
