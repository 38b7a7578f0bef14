"""FETCH (RFC 3501, 6.4.5): in slices, one message at a time where its octets are asked for."""

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ... import clock
from ...errors import StoreError
from ...message.facts import Facts, compute
from ...message.structure import served
from ...store.base import Store
from ...store.rows import Changes, CopyRow
from ...wire.steps import Call, Step
from .. import gmail, responses, sequence
from ..command import WITH_MAILBOX, Handled, command
from ..fetch_items import Item, Plan, Slice, plain, read_items
from ..message_limit import newest
from ..responses import Refusal, Reply
from ..results import Range
from ..rights import selected_rights
from ..searching import breathe
from ..sequence import SequenceSet
from ..telling import flags_of
from ..tokens import Scanner, SyntaxFault
from ..view import View

if TYPE_CHECKING:
    from ..session import IMAPSession

EXPUNGED_MEANWHILE: Final = "Some of the messages were expunged meanwhile"
_ROWS: Final = 512  # messages in a slice where nothing has to be computed
_FEW: Final = 16  # messages in the first slice where it has; more when it goes quickly
_MANY: Final = 256
_BODIES: Final = 32  # messages whose \Seen is set at once
_OCTETS: Final = 65_536  # of messages that are held at once; a larger one is held alone
_QUICK: Final = 0.002  # seconds: a slice below it may grow

_FLAGS: Final = plain("FLAGS")
UID: Final = plain("UID")
_MODSEQ: Final = plain("MODSEQ")


@command("FETCH", WITH_MAILBOX, has_uid=True, numbered=True, quiet=True)
def fetch(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.4.5. ``UID FETCH`` always has the UID in its answers (6.4.8)."""
    wanted = scanner.sequence_set()
    scanner.space()
    items = read_items(scanner, session.offers)
    since, vanished, partial = _read_modifiers(session, scanner, uid=uid)
    scanner.end()
    if uid and UID not in items and not session.uid_only:
        items.insert(0, UID)
    if since is not None and _MODSEQ not in items:
        items.append(_MODSEQ)  # RFC 7162, 3.1.4.1
    uids = session.selected.find(wanted, uid=uid)
    if _MODSEQ in items and (enabled := session.enable_condstore()):
        yield enabled
    if partial is not None:
        uids = partial.of(uids)  # RFC 9394, 3.4: before it is asked which of them changed
    if since is not None:
        uids = yield from _changed(session, wanted, uids, since, vanished=vanished)
    uids, code = newest(session, uids)
    told = yield from answer_for(session, items, uids)
    if told < len(uids) and not uid:
        raise Refusal(EXPUNGED_MEANWHILE, "EXPUNGEISSUED")  # RFC 2180, 4.1; RFC 5530, 3
    return Reply("OK", f"{'UID ' if uid else ''}FETCH completed", code)


class _Modifiers(NamedTuple):
    since: int | None = None
    vanished: bool = False
    partial: Range | None = None


def _read_modifiers(session: "IMAPSession", scanner: Scanner, *, uid: bool) -> _Modifiers:
    """CHANGEDSINCE and VANISHED (RFC 7162, 3.1.4.1 and 3.2.6), PARTIAL (RFC 9394, 3.3)."""
    found = _Modifiers()

    def modifier() -> None:
        nonlocal found
        start = scanner.position
        word = scanner.word("a FETCH modifier")
        if word == "CHANGEDSINCE" and session.offers("CONDSTORE"):
            scanner.space()
            found = found._replace(since=scanner.number(63))
        elif word == "VANISHED" and session.offers("CONDSTORE"):
            found = found._replace(vanished=True)
        elif word == "PARTIAL" and uid and session.offers("PARTIAL"):
            if found.partial is not None:
                raise SyntaxFault("PARTIAL stands once", start)
            scanner.space()
            found = found._replace(partial=Range.read(scanner, newest=True))
        else:
            raise SyntaxFault(f"{word} is no FETCH modifier", start)

    if scanner.ended or not (session.offers("CONDSTORE") or session.offers("PARTIAL")):
        return found
    scanner.space()
    scanner.items(modifier)
    if found.vanished and not (uid and found.since is not None and "QRESYNC" in session.enabled):
        raise Refusal("VANISHED goes with UID FETCH, CHANGEDSINCE and ENABLE QRESYNC", "CLIENTBUG", "BAD")
    return found


def _changed(
    session: "IMAPSession", wanted: SequenceSet, uids: Sequence[int], since: int, *, vanished: bool
) -> Generator[Step, Any, Sequence[int]]:
    """Those of the UIDs that changed after a MODSEQ; what vanished since is told."""
    view = session.selected
    changes = yield Call(session.services.store.changes, view.mailbox.id, since)
    if vanished and (line := vanished_earlier(view, changes, wanted)):
        yield line
    asked = set(uids)
    return [copy.uid for copy in changes.changed if copy.uid in asked]


def vanished_earlier(view: View, changes: Changes, wanted: SequenceSet) -> bytes:
    """VANISHED (EARLIER) for the UIDs of a set (RFC 7162, 3.2.10.1): none that the client still has a number for."""
    last = max(view.mailbox.uidnext - 1, view.uids[-1] if view.uids else 0)
    if changes.complete:
        gone = [uid for uid in changes.vanished if sequence.contains(wanted, uid, last) and not view.number(uid)]
        return b"* VANISHED (EARLIER) %b\r\n" % sequence.encode(gone) if gone else b""
    # It is forgotten what vanished when: all that is not there did (RFC 7162, 3.2.5.1)
    gaps = sequence.gaps(wanted, view.uids, last)
    return b"* VANISHED (EARLIER) %b\r\n" % sequence.encode_ranges(gaps) if gaps else b""


def answer_for(session: "IMAPSession", items: Sequence[Item], uids: Sequence[int]) -> Generator[Step, Any, int]:
    """Answer for these messages; how many were there."""
    view, store = session.selected, session.services.store
    plan = Plan(items, uid_only=session.uid_only)
    sets_seen = plan.sets_seen and not view.read_only
    with_flags = Plan(_with_flags(items, session.condstore), uid_only=session.uid_only) if sets_seen else plan
    flags = flag_column(session)
    size = _BODIES if plan.needs_bytes else _FEW if plan.kinds else _ROWS
    told = position = 0
    began = paused = clock.monotonic()
    while position < len(uids):
        part = uids[position : position + size]
        position += len(part)
        rows: Sequence[CopyRow] = yield Call(store.copies, view.mailbox.id, _as_set(session, part))
        changed: dict[int, CopyRow] = {}
        if sets_seen:
            changed = yield from _set_seen(session, rows)
        if plan.needs_bytes:
            for few in _groups([changed.get(row.uid, row) for row in rows] if changed else rows):
                group = yield from _loaded(session, few, plan.kinds)
                group.labels = yield from _labels(session, plan, group.rows)
                chosen = with_flags if changed else plan
                if group.rows:
                    group.flags = flags
                    yield chosen(group)
                told += len(group.rows)
                paused = yield from breathe(paused, told, len(uids))
            continue
        facts_of: Sequence[Facts | None] = ()
        if plan.kinds:
            facts_of = yield Call(_facts, store, rows, plan.kinds)
            if None in facts_of:  # taken away between the two questions
                rows = [row for row, facts in zip(rows, facts_of, strict=True) if facts is not None]
        there = [facts for facts in facts_of if facts is not None]
        labels = yield from _labels(session, plan, rows)
        if rows:
            yield plan(Slice(view.numbers([row.uid for row in rows]), rows, there, (), labels, flags))
        told += len(rows)
        now = clock.monotonic()
        if plan.kinds:
            size = min(size * 2, _MANY) if now - began < _QUICK else max(size // 2, 1)
        paused = yield from breathe(paused, position, len(uids))
        began = clock.monotonic()
    return told


def _labels(session: "IMAPSession", plan: Plan, rows: Sequence[CopyRow]) -> Generator[Step, Any, Sequence[bytes]]:
    """The labels of copies, encoded; none where they are not asked for."""
    if not plan.needs_labels:
        return ()
    store, mailbox = session.services.store, session.selected.mailbox.id
    found: Sequence[Sequence[str]] = yield Call(gmail.labels, store, session.account, mailbox, rows)
    return [gmail.encoded(labels, utf8=session.utf8, separator=session.names.separator) for labels in found]


def _with_flags(items: Sequence[Item], modseq: bool) -> list[Item]:
    """The items with FLAGS, before the first that brings octets: naive clients read to the end of these."""
    first = next(index for index, item in enumerate(items) if item.section is not None)
    more = [item for item in (_FLAGS, _MODSEQ) if item not in items and (item is _FLAGS or modseq)]
    return [*items[:first], *more, *items[first:]]


def _as_set(session: "IMAPSession", uids: Sequence[int]) -> Iterable[int]:
    """UIDs for the store: neighbours in the view as a range, which costs less.

    Between two UIDs of a view there is no other: what comes later has a higher one.
    """
    view = session.selected
    if view.number(uids[-1]) - view.number(uids[0]) == len(uids) - 1:
        return range(uids[0], uids[-1] + 1)
    return uids


def _set_seen(session: "IMAPSession", rows: Sequence[CopyRow]) -> Generator[Step, Any, dict[int, CopyRow]]:
    """Set ``\\Seen`` where it is not; those copies, as they are now."""
    unseen = [row.uid for row in rows if "\\Seen" not in row.flags]
    if not unseen:
        return {}
    view = session.selected
    if "s" not in (yield from selected_rights(session)):
        return {}  # RFC 4314, 4
    changed, _ = yield Call(session.services.store.set_flags, view.mailbox.id, unseen, frozenset({"\\Seen"}), "add")
    view.note(changed)
    return {row.uid: row for row in changed}


def _groups(rows: Sequence[CopyRow]) -> Iterator[Sequence[CopyRow]]:
    """Copies whose octets are held at once: several small messages, or a large one alone."""
    first = octets = 0
    for position, row in enumerate(rows):
        if octets and octets + row.size > _OCTETS:
            yield rows[first:position]
            first, octets = position, 0
        octets += row.size
    if first < len(rows):
        yield rows[first:]


def _loaded(session: "IMAPSession", rows: Sequence[CopyRow], kinds: frozenset[str]) -> Generator[Step, Any, Slice]:
    """These copies with their octets and facts, without those that were taken away."""
    found: Sequence[tuple[bytes, Facts] | None]
    found = yield Call(octets_of, session.services.store, rows, kinds)
    there = [row for row, octets in zip(rows, found, strict=True) if octets is not None]
    pairs = [octets for octets in found if octets is not None]
    return Slice(
        session.selected.numbers([row.uid for row in there]), there,
        [facts for _, facts in pairs], [whole for whole, _ in pairs],
    )  # fmt: skip


def octets_of(store: Store, rows: Sequence[CopyRow], kinds: Collection[str]) -> Sequence[tuple[bytes, Facts] | None]:
    """Each message as it is served, and its facts; None where it was taken away."""
    known: Sequence[Facts | None] = (Facts(),) * len(rows)
    if kinds:
        known = store.facts([row.message.seq for row in rows], kinds)
    found: list[tuple[bytes, Facts] | None] = []
    for row, facts in zip(rows, known, strict=True):
        whole = None if facts is None else _whole(store, row)
        if facts is None or whole is None:
            found.append(None)
            continue
        if row.prefix and kinds:
            facts = Facts()
            compute(facts, whole, kinds)
        found.append((whole, facts))
    return found


def _whole(store: Store, row: CopyRow) -> bytes | None:
    """A message as it is served, header fields of the copy itself included; None where it was taken away."""
    seq = row.message.seq
    try:
        octets = store.raw(seq)
        if len(octets) != row.message.served_size:  # else there is no bare LF in it
            octets = served(octets)
    except StoreError:
        if store.message(seq) is not None:
            raise
        return None
    return row.prefix + octets if row.prefix else octets


def _facts(store: Store, rows: Sequence[CopyRow], kinds: frozenset[str]) -> Sequence[Facts | None]:
    """The facts of copies. Those of a copy with header fields of its own are computed for it alone."""
    found = store.facts([row.message.seq for row in rows], kinds)
    if not any(row.prefix for row in rows):
        return found
    own = iter(octets_of(store, [row for row in rows if row.prefix], kinds))
    answer: list[Facts | None] = []
    for row, facts in zip(rows, found, strict=True):
        pair = next(own) if row.prefix else None
        answer.append(facts if not row.prefix else None if pair is None else pair[1])
    return answer


# ---------------------------------------------------------------- for STORE too


def flag_column(session: "IMAPSession") -> Callable[[Sequence[CopyRow]], Iterable[bytes]]:
    """The flags of copies as this session sees them: with ``\\Recent``."""
    view = session.selected

    def column(rows: Sequence[CopyRow]) -> Iterable[bytes]:
        if rows and view.any_recent(rows[0].uid, rows[-1].uid):
            if not view.all_recent(rows[0].uid, rows[-1].uid):
                return [flags_of(view, row) for row in rows]
            return map(responses.recent_flags, [row.flags for row in rows])
        return map(responses.flags, [row.flags for row in rows])

    return column


def flag_plan(
    session: "IMAPSession", *, uid: bool, silent: bool = False
) -> Callable[[Sequence[int], Sequence[CopyRow]], bytes]:
    """What STORE answers with for a slice of copies. Once CONDSTORE is enabled: with MODSEQ (RFC 7162, 3.1.3)."""
    items = [UID] if (uid or "QRESYNC" in session.enabled) and not session.uid_only else []
    if not silent:
        items.append(_FLAGS)
    if session.condstore:
        items.append(_MODSEQ)
    plan = Plan(items, uid_only=session.uid_only)
    flags = flag_column(session)
    return lambda numbers, rows: plan(Slice(numbers, rows, (), (), (), flags))


def slices(rows: Sequence[CopyRow]) -> Iterator[Sequence[CopyRow]]:
    """Copies in pieces that are answered at once."""
    for start in range(0, len(rows), _ROWS):
        yield rows[start : start + _ROWS]
