"""Search keys (RFC 3501, 6.4.4), read into the store's tree.

What only this session knows - sequence numbers, ``\\Recent``, ``$`` - becomes UIDs here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final

from .. import limits
from ..errors import QueryError
from ..message import charsets
from ..store import query, search
from . import gmail, sequence
from .responses import Refusal
from .sequence import STAR, SequenceSet
from .tokens import Scanner, SyntaxFault
from .view import View

Tree = search.Tree

_FLAGS: Final[dict[str, Tree]] = {
    "ALL": search.All(),
    "ANSWERED": search.Flag("\\Answered"),
    "DELETED": search.Flag("\\Deleted"),
    "DRAFT": search.Flag("\\Draft"),
    "FLAGGED": search.Flag("\\Flagged"),
    "SEEN": search.Flag("\\Seen"),
    "UNANSWERED": search.Flag("\\Answered", False),
    "UNDELETED": search.Flag("\\Deleted", False),
    "UNDRAFT": search.Flag("\\Draft", False),
    "UNFLAGGED": search.Flag("\\Flagged", False),
    "UNSEEN": search.Flag("\\Seen", False),
}
_FIELDS: Final = {"BCC": "bcc", "CC": "cc", "FROM": "from", "SUBJECT": "subject", "TO": "to"}
_DAYS: Final[dict[str, Callable[[date], Tree]]] = {
    "BEFORE": search.Before, "ON": search.On, "SINCE": search.Since,
    "SAVEDBEFORE": search.SavedBefore, "SAVEDON": search.SavedOn, "SAVEDSINCE": search.SavedSince,
    "SENTBEFORE": search.SentBefore, "SENTON": search.SentOn, "SENTSINCE": search.SentSince,
}  # fmt: skip
_NUMBERS: Final[dict[str, Callable[[int], Tree]]] = {
    "LARGER": search.Larger, "SMALLER": search.Smaller, "OLDER": search.Older, "YOUNGER": search.Younger,
}  # fmt: skip
# keys that exist because of a capability
_NEEDED: Final = {
    "OLDER": "WITHIN", "YOUNGER": "WITHIN", "MODSEQ": "CONDSTORE", "EMAILID": "OBJECTID", "THREADID": "OBJECTID",
    "SAVEDBEFORE": "SAVEDATE", "SAVEDON": "SAVEDATE", "SAVEDSINCE": "SAVEDATE", "SAVEDATESUPPORTED": "SAVEDATE",
    "FUZZY": "SEARCH=FUZZY", "X-GM-MSGID": "X-GM-EXT-1", "X-GM-THRID": "X-GM-EXT-1", "X-GM-LABELS": "X-GM-EXT-1",
    "X-GM-RAW": "X-GM-EXT-1",
}  # fmt: skip
_WITHIN: Final = ("OLDER", "YOUNGER")
_WITH_ARGUMENT: Final = frozenset((
    "NOT", "FUZZY", "UID", "KEYWORD", "UNKEYWORD", "HEADER", "BODY", "TEXT", "MODSEQ", "EMAILID", "THREADID",
    "X-GM-MSGID", "X-GM-THRID", "X-GM-LABELS", "X-GM-RAW", *_DAYS, *_NUMBERS, *_FIELDS,
))  # fmt: skip


@dataclass(slots=True)
class Reader:
    """Reads keys for one session.

    Attributes:
        charset: of strings; None where none was named.
        recent: whether NEW, OLD and RECENT are there: IMAP4rev2 has none (RFC 9051, appendix E).
        offers: whether a capability holds, and with it the keys that it brings.
        separator: between the levels of a mailbox's name.
        numbered, modseq, saved, fuzzy: whether sequence numbers, MODSEQ, ``$`` and FUZZY were used; known when all
            was read.
    """

    scanner: Scanner
    view: View
    offers: Callable[[str], bool]
    charset: str | None = None
    recent: bool = True
    separator: str = "/"
    numbered: bool = False
    modseq: bool = False
    saved: bool = False
    fuzzy: bool = False
    _depth: int = 0

    def keys(self) -> Tree:
        """One key or several, all of which have to fit."""
        trees = [self.key()]
        while self.scanner.take(b" "):
            trees.append(self.key())
        return trees[0] if len(trees) == 1 else search.And(tuple(trees))

    def key(self) -> Tree:
        """RFC 3501, 9: search-key."""
        self._depth += 1
        if self._depth > limits.IMAP_DEPTH:
            raise SyntaxFault("The search keys are nested too deep", self.scanner.position)
        try:
            return self._key()
        finally:
            self._depth -= 1

    def _key(self) -> Tree:
        scanner = self.scanner
        if scanner.at(b"("):
            scanner.open()
            tree = self.keys()
            scanner.close()
            return tree
        if (first := scanner.text[scanner.position : scanner.position + 1]) and first in b"0123456789*$":
            return self._messages(scanner.sequence_set())
        start = scanner.position
        word = scanner.word("a search key")
        if word in _NEEDED and not self.offers(_NEEDED[word]):
            raise SyntaxFault(f"{word} is no search key here", start)
        if word in _FLAGS:
            return _FLAGS[word]
        if word in ("NEW", "OLD", "RECENT") and self.recent:
            return self._recent(word)
        if word == "OR":
            return self._either()
        if word == "SAVEDATESUPPORTED":
            return search.All()  # RFC 8514, 4.3
        if word not in _WITH_ARGUMENT:
            raise SyntaxFault(f"{word} is no search key", start)
        scanner.space()
        return self._with_argument(word)

    def _with_argument(self, word: str) -> Tree:
        scanner = self.scanner
        if word == "NOT":
            return search.Not(self.key())
        if word == "FUZZY":
            self.fuzzy = True
            return search.fuzzy(self.key())
        if word == "UID":
            return self._uids(scanner.sequence_set())
        if word in _DAYS:
            return _DAYS[word](date.fromordinal(scanner.date()))
        if word in _NUMBERS:
            return _NUMBERS[word](self._interval() if word in _WITHIN else scanner.number(63))
        if word in ("KEYWORD", "UNKEYWORD"):
            return search.Flag(scanner.atom().decode("ascii"), word == "KEYWORD")
        if word in _FIELDS:
            return search.HeaderContains(_FIELDS[word], self._text())
        if word == "HEADER":
            name = scanner.astring("the name of a header field").decode("ascii", "replace")
            scanner.space()
            return search.HeaderContains(name, self._text())
        if word == "MODSEQ":
            return self._modseq()
        if word in ("EMAILID", "THREADID"):
            return self._object(word)
        if word.startswith("X-GM-"):
            return self._gmail(word)
        return self._contains(search.Body if word == "BODY" else search.Text)

    def _object(self, word: str) -> Tree:
        """RFC 8474, 6: EMAILID and THREADID."""
        wanted = self.scanner.atom().decode("ascii")
        if word == "EMAILID" and wanted.startswith("M"):
            return search.OfMessage(wanted[1:])
        if word == "THREADID" and wanted.startswith("T"):
            return search.OfThread(wanted[1:])
        return search.Not(search.All())

    def _gmail(self, word: str) -> Tree:
        """What X-GM-EXT-1 adds; X-GM-RAW takes the query language of this server."""
        if word == "X-GM-MSGID":
            return search.Numbered(self.scanner.number(64))
        if word == "X-GM-THRID":
            return gmail.of_thread(self.scanner.number(64))
        if word == "X-GM-LABELS":
            return gmail.labelled(gmail.read_label(self.scanner, self.separator))
        try:
            return query.parse(self._text())
        except QueryError as error:
            raise Refusal(f"The query cannot be understood: {error}", kind="BAD") from None

    def _modseq(self) -> Tree:
        """RFC 7162, 3.1.5. The MODSEQ is the copy's, whatever entry is named."""
        scanner = self.scanner
        if scanner.at(b'"'):
            scanner.string()
            scanner.space()
            start = scanner.position
            if scanner.word("shared, priv or all") not in ("SHARED", "PRIV", "ALL"):
                raise SyntaxFault("Expected shared, priv or all", start)
            scanner.space()
        self.modseq = True
        return search.ModSeq(scanner.number(63))

    def _either(self) -> Tree:
        """OR. One in the other's second place is the same as one with three, so a chain of them is not deep."""
        trees: list[Tree] = []
        self.scanner.space()
        while True:
            trees.append(self.key())
            self.scanner.space()
            if self.scanner.peek_word() != "OR":
                break
            self.scanner.word()
            self.scanner.space()
        trees.append(self.key())
        return search.Or(tuple(trees))

    def _contains(self, kind: Callable[[str], Tree]) -> Tree:
        text = self._text()
        return kind(text) if text else search.All()

    def _text(self) -> str:
        octets = self.scanner.astring("a text")
        try:
            return octets.decode(self.charset or "utf-8")
        except UnicodeError:
            raise Refusal(f"The text is no {self.charset or 'UTF-8'}", kind="BAD") from None

    def _interval(self) -> int:
        start = self.scanner.position
        seconds = self.scanner.number()
        if not seconds:
            raise SyntaxFault("An interval is not zero", start)  # RFC 5032, 2
        return seconds

    # ------------------------------------------------------------ what becomes UIDs

    def _recent(self, word: str) -> Tree:
        recent = search.Uids(tuple(self.view.recent_ranges))
        if word == "RECENT":
            return recent
        if word == "OLD":
            return search.Not(recent)
        return search.And((recent, search.Flag("\\Seen", False)))

    def _messages(self, wanted: SequenceSet) -> Tree:
        """Sequence numbers: between two neighbours there is no other UID, so a range of one is one of the other.

        A number that no message has fits none; a SEARCH that finds nothing is answered, not refused.
        """
        if wanted == sequence.SAVED:
            self.saved = True
            return search.Uids.of(self.view.saved)
        self.numbered = True
        known = self.view.uids
        ranges = []
        for low, high in wanted:
            if high == STAR:
                high = len(known)
                low = min(low, high)
            high = min(high, len(known))
            if 0 < low <= high:
                ranges.append((known[low - 1], known[high - 1]))
        return search.Uids(tuple(ranges))

    def _uids(self, wanted: SequenceSet) -> Tree:
        if wanted == sequence.SAVED:
            self.saved = True
            return search.Uids.of(self.view.saved)
        known = self.view.uids
        last = known[-1] if known else 0
        ranges = []
        for low, high in wanted:
            if high == STAR:
                low, high = min(low, last), last
            ranges.append((low, high))
        return search.Uids(tuple(ranges))


def read_charset(scanner: Scanner) -> str | None:
    """CHARSET and its name, where it comes next; the name of Python's codec.

    Raises:
        Refusal: as ``charset``.
    """
    if scanner.peek_word() != "CHARSET":
        return None
    scanner.word()
    scanner.space()
    return charset(scanner)


def charset(scanner: Scanner) -> str:
    """The name of a charset, and the space behind it; the name of Python's codec.

    Raises:
        Refusal: it is none that is known here (RFC 3501, 6.4.4: BADCHARSET).
    """
    name = scanner.astring("the name of a charset").decode("ascii", "replace")
    scanner.space()
    codec = charsets.codec(name)
    if codec is None:
        raise Refusal("There is no such charset here", "BADCHARSET (US-ASCII UTF-8)")
    return "utf-8" if codec == "ascii" else codec
