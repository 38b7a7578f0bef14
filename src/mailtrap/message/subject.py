"""The base subject: what a subject is about, without what answering and forwarding put around it (RFC 5256, 2.1).

Linear in the length: a part of the subject is looked at once for each thing that can be taken from it.
"""

import re
from typing import Final, NamedTuple

_SPACES: Final = re.compile(r"[ \t\r\n]+")
_TRAILER: Final = re.compile(r"(?:\(fwd\)|[ \t])\Z", re.IGNORECASE | re.ASCII)
_BLOB: Final = re.compile(r"\[[^\[\]]*+\][ \t]*+")
_REPLY: Final = re.compile(r"(?:re|fwd?)[ \t]*+(?:\[[^\[\]]*+\][ \t]*+)?:", re.IGNORECASE | re.ASCII)
_FORWARDED: Final = "[fwd:"


class Subject(NamedTuple):
    """A subject taken apart.

    Attributes:
        base: the base subject; its case is as it was written.
        is_reply: whether something said that it answers or forwards another.
    """

    base: str
    is_reply: bool


def base_subject(text: str) -> Subject:
    """The base subject of a subject whose encoded words are decoded."""
    text = _SPACES.sub(" ", text)
    start, end = 0, len(text)
    is_reply = False
    while True:
        # 2: trailers
        while start < end and (found := _TRAILER.search(text, max(start, end - 5), end)) is not None:
            is_reply |= found.group() not in (" ", "\t")
            end = found.start()
        # 3 to 5: leaders, and blobs that leave something
        start, replied = _without_leaders(text, start, end)
        is_reply |= replied
        # 6: a forward by its form
        if end - start > len(_FORWARDED) and text[start : start + 5].lower() == _FORWARDED and text[end - 1] == "]":
            start, end = start + len(_FORWARDED), end - 1
            is_reply = True
            continue
        return Subject(text[start:end], is_reply)


def _without_leaders(text: str, start: int, end: int) -> tuple[int, bool]:
    """Where the base begins, and whether a reply's or a forward's mark was passed."""
    is_reply = False
    while start < end:
        if text[start] in " \t":
            start += 1
            continue
        last, position = start, start
        while (blob := _BLOB.match(text, position, end)) is not None:
            last, position = position, blob.end()
        mark = _REPLY.match(text, position, end)
        if mark is not None:
            start = mark.end()
            is_reply = True
            continue
        # 4: blobs are taken away as long as something is left
        return (position if position < end else last), is_reply
    return start, is_reply
