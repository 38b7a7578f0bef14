"""Text as terms of a full-text index, so that a substring of the text is found exactly by what the index can do.

A word is a longest run of letters, digits and whatever is not ASCII; what stands between two words is a term too, but
for a single space, which is left out. So the order of the terms says all of the text. The index splits at spaces and at
ASCII that is no letter or digit (FTS5's tokenizer ``ascii``); that is why separators are written in characters of the
private use area.

A text with spaces is compared with any white space counted as one space, as ``conditions.Words`` does.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 200  # characters of a term that are kept; a text with a longer one is not indexed wholly
FIELD: Final = "\x01"  # between the values of one column; no white space

_WORD: Final = r"[0-9a-z\x80-\U0010ffff]"
_OTHER: Final = r"[^0-9a-z\x80-\U0010ffff]"
_TERM: Final = re.compile(f"{_WORD}+|{_OTHER}+")
_BETWEEN: Final = re.compile(r"[^0-9a-z\x80-\U0010ffff ]" + f"{_OTHER}*")  # but a space, which is looked for before it
_TOO_LONG: Final = re.compile(rf"[^ ]{{{LONGEST + 1},}}")
_RESERVED: Final = re.compile("[A-Z\ue000-\ue07f\ud800-\udfff]")  # what separators are written in; what is no UTF-8
_PRIVATE: Final = {number: 0xE000 + number for number in range(128) if not chr(number).isalnum()}

_known: dict[str, str] = {}


def _separator(match: re.Match[str]) -> str:
    found = match[0]
    start = match.start()
    if start and match.string[start - 1] == " ":  # which belongs to it, and also stays there, between the terms
        found = " " + found
    written = _known.get(found)
    if written is None:
        if len(_known) > 4096:
            _known.clear()
        written = _known[found] = f"{'' if found[0] == ' ' else ' '}{found.translate(_PRIVATE)} "
    return written


def encode(text: str) -> tuple[str, bool]:
    """A folded text as terms with spaces between, and whether they say all of it."""
    text = " ".join(text.split())
    complete = True
    if text != text.lower() if text.isascii() else _RESERVED.search(text) is not None:
        text, complete = _RESERVED.sub("?", text), False
    found = _BETWEEN.sub(_separator, text)
    if _has_long(found):
        return _TOO_LONG.sub(lambda match: match[0][:LONGEST], found), False
    return found, complete


def _has_long(terms: str) -> bool:
    """Whether there is a term that is too long: it reaches over one of the places looked at."""
    for place in range(LONGEST, len(terms), LONGEST):
        if terms[place] == " ":
            continue
        space = terms.rfind(" ", place - LONGEST, place)
        start = place - LONGEST if space < 0 else space + 1
        if len(terms) - start > LONGEST and terms.find(" ", place, start + LONGEST + 1) < 0:
            return True
    return False


@dataclass(frozen=True, slots=True)
class Phrases:
    """What to look for in an index in place of a substring.

    Attributes:
        phrases: one of them must be there. Each is terms in their order; with ``*`` behind, the last is a beginning.
        exact: whether exactly the texts with the substring have one; else some without it may have one too.
    """

    phrases: Sequence[str]
    exact: bool


Containing = Callable[[str, str], Iterable[str]]  # a text, and where in a term: "in", "end"

MOST_BEGINNINGS: Final = 200  # terms tried in the place of the first of several


def phrases(text: str, containing: Containing) -> Phrases | None:
    """The phrases of a folded substring; None where an index can say nothing.

    Args:
        containing: gives the terms of the index that have a text somewhere, or at the end.
    """
    wanted = " ".join(text.split())
    exact = wanted == text  # white space at an end, or other than a space, is not in the index
    if not wanted or FIELD in wanted or _RESERVED.search(wanted) is not None:
        return None
    terms = [term if re.match(_WORD, term) else term.translate(_PRIVATE) for term in _TERM.findall(wanted)]
    if any(len(term) > LONGEST for term in terms):
        return None
    alone = len(terms) == 1
    terms = [term for term in terms if term != chr(_PRIVATE[32])]
    if alone:
        return Phrases([f'"{term}"' for term in containing(terms[0], "in")], exact)
    rest = " ".join(terms[1:])
    firsts = list(containing(terms[0], "end"))
    if len(firsts) > MOST_BEGINNINGS:
        return Phrases([f'"{rest}" *'], False)
    return Phrases([f'"{first} {rest}" *' for first in firsts], exact)
