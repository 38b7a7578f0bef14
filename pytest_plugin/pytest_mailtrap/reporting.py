"""What a failed test is shown: the mail that came for it, what was refused, what went wrong in the server.

As a section of its report, as files beside it, and as properties and extras for those who make other reports of it.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from mailtrap import MailtrapError

from .found import Found, find, readable

if TYPE_CHECKING:
    from mailtrap import Message

    from .watch import Watched

TITLE: Final = "Mail of this test"
MESSAGES: Final = 10  # messages shown, the newest
LINES: Final = 5  # lines of each message's text
WIDTH: Final = 160  # characters of a line
OTHERS: Final = 10  # refusals, errors and open connections shown, of each
LIST_LINES: Final = 40  # of a comparison of lists
REASON: Final = 10_000  # characters of why a test failed, on the page of its mail


def attach(
    config: pytest.Config, report: pytest.TestReport, call: pytest.CallInfo[None], watched: "Watched", *,
    show: bool, silent: bool, folder: Path | None,
) -> None:  # fmt: skip
    """Add to a test's report what is known of its mail.

    Args:
        show: a section with the newest messages, unless an earlier report of the test has it.
        silent: no section, not even of where the mail was written.
        folder: where to write the mail; None to write nothing.
    """
    show = show and not watched.shown
    watched.shown = watched.shown or show
    try:
        found = watched.found or find(watched.scope)
    except MailtrapError as error:  # the test stopped the server, or its store failed
        if show:
            report.sections.append((TITLE, f"the server cannot be asked any more: {error}"))
        return
    lines = _section(found) if show else []
    written: Path | None = None
    if folder is not None and found:
        from . import artifacts

        if report.failed:
            phase = "" if report.when == "call" else f" at {report.when}"
            watched.outcome = f"{watched.outcome}, failed{phase}" if watched.failed else f"failed{phase}"
            reason = "" if call.excinfo is None else call.excinfo.exconly()[:REASON]
            watched.reason = "\n\n".join(filter(None, (watched.reason, reason)))
            watched.failed = True
        try:
            written = artifacts.write(folder, report.nodeid, watched.outcome, watched.reason, found)
        except OSError as error:
            lines.append(f"its mail could not be kept: {error}")
        else:
            lines.append(f"kept in {_shown(config, written)}")
    if lines and not silent:
        report.sections.append((TITLE, "\n".join(lines)))
    if written is not None:
        _add_extra(config, report, written)
    _add_properties(config, report, watched, found, written)


def _add_extra(config: pytest.Config, report: pytest.TestReport, written: Path) -> None:
    """A link in the report that pytest-html makes, when it makes one."""
    target = config.getoption("htmlpath", None)
    plugin: Any = config.pluginmanager.getplugin("html")
    if not target or plugin is None:
        return
    try:
        where = Path(os.path.relpath(written, (config.invocation_params.dir / target).parent)).as_posix()
    except ValueError:  # on another drive
        where = written.as_uri()
    report.extras = [*getattr(report, "extras", []), plugin.extras.url(where, name="Mail")]  # type: ignore[attr-defined, unused-ignore]


def _add_properties(
    config: pytest.Config, report: pytest.TestReport, watched: "Watched", found: Found, written: Path | None
) -> None:
    """What ``record_property`` would have added, where JUnit XML is written."""
    if not config.getoption("xmlpath", None):
        return
    properties: dict[str, object] = {"mailtrap_messages": found.submitted}
    if written is not None:
        properties["mailtrap_artifacts"] = _shown(config, written.parent)
    item = watched.item
    for owner in (report, item):  # the item's are those of the reports to come
        if owner is not None:
            kept = [pair for pair in owner.user_properties if pair[0] not in properties]
            owner.user_properties[:] = [*kept, *properties.items()]


def _shown(config: pytest.Config, path: Path) -> str:
    """A path from the root directory of the run, if it is in it."""
    return path.relative_to(config.rootpath).as_posix() if path.is_relative_to(config.rootpath) else str(path)


def _section(found: Found) -> list[str]:
    total = found.older + len(found.messages)
    lines = [_counted(total, "message") if total else "no message"]
    lines += _left_out(total, MESSAGES)
    for message in found.messages[-MESSAGES:]:
        lines.append(f"  {_cut(repr(message))} ({message.origin}, {message.size} octets)")
        lines += [f"      {line}" for line in _beginning(message)]
    lines += _listed("refusal", found.refused)
    lines += _listed("error of the server", found.errors, "errors of the server")
    lines += _listed("open connection", [session for session in found.sessions if session.open])
    return lines


def _beginning(message: "Message") -> list[str]:
    from mailtrap import StoreError

    try:
        text = message.plain
    except StoreError:
        return ["(cleared)"]
    lines = [line for line in text.splitlines() if line.strip()]
    return [_cut(line) for line in lines[:LINES]] + (["..."] if len(lines) > LINES else [])


def _listed(noun: str, items: Sequence[object], plural: str = "") -> list[str]:
    if not items:
        return []
    shown = [f"  {_cut(repr(item))}" for item in items[-OTHERS:]]
    return [_counted(len(items), noun, plural), *_left_out(len(items), OTHERS), *shown]


def _left_out(number: int, limit: int) -> list[str]:
    return [f"  ({number - limit} older ones are not shown)"] if number > limit else []


def _counted(number: int, noun: str, plural: str = "") -> str:
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def _cut(text: str) -> str:
    text = readable(text).replace("\n", "\\n")
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}..."


# ---------------------------------------------------------------- comparisons


def comparison(left: Any, right: Any) -> list[str] | None:
    """Lines on why addresses or messages, or lists of them, are not equal; None where there is nothing to add."""
    from mailtrap import Address, Message

    if _is_list(left) and _is_list(right):
        every = [*left, *right]
        if any(isinstance(item, Message) for item in every):
            return _compared(left, right, "messages")
        if any(isinstance(item, Address) for item in every):
            return _compared(left, right, "addresses")
        return None
    if isinstance(left, Message) and isinstance(right, Message):
        return ["two different messages", f"left:  {_cut(repr(left))}", f"right: {_cut(repr(right))}"]
    if not isinstance(left, Address):
        left, right = right, left
    if not isinstance(left, Address) or not isinstance(right, str):
        return None
    lines = [f"address {str(left)!r} is not {str(right)!r}"]
    if "<" in right:
        lines.append(f"an address is compared without its display name, which is {left.name!r} and stands in .name")
    elif left.lower() == right.lower():
        lines.append("they differ in the case of the local part, which counts (RFC 5321, 2.4)")
    return lines


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _compared(left: Sequence[object], right: Sequence[object], noun: str) -> list[str]:
    """What stands in one list only, each item as often as it does."""
    only_right = list(right)
    only_left = []
    for item in left:
        if item in only_right:
            only_right.remove(item)
        else:
            only_left.append(item)
    lines = [f"{noun} differ: {len(left)} on the left, {len(right)} on the right"]
    for side, items in (("left", only_left), ("right", only_right)):
        if items:
            lines.append(f"only on the {side}:")
            lines += [f"  {_item(item)}" for item in items[:OTHERS]] + _left_out(len(items), OTHERS)
    if not only_left and not only_right:
        lines.append("they are the same in another order")
    for item in only_left:
        for other in only_right:
            reason = comparison(item, other)
            if reason is not None and len(reason) > 1 and "two different" not in reason[0]:
                lines += reason
    return lines[:LIST_LINES]


def _item(item: object) -> str:
    from mailtrap import Address

    if isinstance(item, Address) and item.name:
        return _cut(f"{str(item)!r} ({item.name})")
    return _cut(repr(str(item)) if isinstance(item, str) else repr(item))
