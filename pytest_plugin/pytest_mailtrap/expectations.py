"""``expect(...)``: what becomes true in time, and checks that deserve a text of their own.

What is said with plain ``assert`` (subject, text, headers) has no method here. The first three wait; the others decide
at once, because a message never changes.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal

from mailtrap import CLIENTS, ConfigError, Copy, Mailbox, MailServer, Message, UnexpectedMessage, unsupported

_WORD: Final = re.compile(r"\w+")
_URL: Final = re.compile(r"(?:https?://|mailto:)[^\s<>\"]+")


class Expectation:
    """What is expected of a server, a message or a mailbox. Made by ``expect()``."""

    def __init__(self, subject: MailServer | Message | Mailbox) -> None:
        self._subject = subject

    # ------------------------------------------------------------ what becomes true

    def to_have_count(self, count: int, *, timeout: float | None = None, **criteria: Any) -> None:
        """Wait until exactly so many messages match.

        Args:
            count: at least 1. That nothing comes is ``server.assert_no_message()``: zero would be true too early.
            timeout: seconds; the setting ``timeout`` when not given.
            criteria: as for ``MailServer.message``; of a mailbox, its copies.

        Raises:
            ConfigError: a count below 1.
            MessageNotFound: too few in time.
            UnexpectedMessage: more than that.
        """
        __tracebackhide__ = True
        if count < 1:
            raise ConfigError(
                f"to_have_count({count}) would be true before anything can come; "
                "assert_no_message() says that nothing comes"
            )
        subject = self._of("to_have_count", MailServer, Mailbox)
        if isinstance(subject, MailServer):
            subject.wait_for(exactly=count, timeout=timeout, **criteria)
        else:
            _mailbox_count(subject, count, timeout, criteria)

    def to_have_flag(self, flag: str, *, account: str | None = None, timeout: float | None = None) -> None:
        r"""Wait until a copy of the message has a flag.

        Args:
            flag: ``"\\Seen"`` or a keyword; case does not count.
            account: whose copies are looked at. Not given: of a copy, that copy, or the account's where it was moved;
                of a message, all.

        Raises:
            AssertionError: none has it in time; the text says which flags the copies have.
        """
        __tracebackhide__ = True
        message = self._of("to_have_flag", Message)
        _wait(
            message, account, timeout, f"the flag {flag}",
            lambda copies: any(flag.lower() in map(str.lower, flags) for _, flags in copies),
        )  # fmt: skip

    def to_be_in(self, mailbox: str, *, account: str | None = None, timeout: float | None = None) -> None:
        """Wait until a copy of the message is in a mailbox.

        Args:
            mailbox: its name.
            account: whose. Not given: of a copy, its account's; of a message, anybody's.

        Raises:
            AssertionError: none is there in time; the text says where the copies are.
        """
        __tracebackhide__ = True
        message = self._of("to_be_in", Message)
        wanted = "INBOX" if mailbox.upper() == "INBOX" else mailbox
        _wait(
            message, account, timeout, f"a copy in {wanted}",
            lambda copies: any(copy.mailbox.name == wanted for copy, _ in copies), everywhere=True,
        )  # fmt: skip

    # ------------------------------------------------------------ what is decided at once

    def to_pass_lint(self, ignore: Iterable[str] = ()) -> None:
        """The standards have nothing against it: no finding of severity error or warning.

        Args:
            ignore: ids of findings that do not count.

        Raises:
            AssertionError: the text lists the findings.
        """
        __tracebackhide__ = True
        message = self._of("to_pass_lint", Message)
        ignored = {ignore} if isinstance(ignore, str) else set(ignore)
        findings = [found for found in message.lint() if found.severity != "info" and found.id not in ignored]
        if findings:
            lines = [f"  {f.severity} {f.id} {f.where}: {f.message} ({f.reference})" for f in findings]
            raise AssertionError("\n".join([f"{message!r} does not pass the lint:", *lines]))

    def to_have_matching_alternatives(self, ratio: float = 0.9) -> None:
        """Its text and its HTML say the same.

        Args:
            ratio: how much of their words must agree, in order: 0 to 1.

        Raises:
            AssertionError: one is missing, or they differ more; the text shows where.
        """
        __tracebackhide__ = True
        message = self._of("to_have_matching_alternatives", Message)
        text, html = message.text, message.html
        if text is None or html is None:
            raise AssertionError(f"{message!r} has no {'text' if text is None else 'HTML'} alternative")
        left, right = _words(text), _words(message.html_text or "")
        found = difflib.SequenceMatcher(None, left, right, autojunk=False).ratio()
        if found < ratio:
            lines = "\n".join(f"  {line}" for line in _differences(left, right))
            raise AssertionError(
                f"text and HTML of {message!r} agree by {found:.2f}, less than {ratio:g}; "
                f"- stands in the text only, + in the HTML only:\n{lines}"
            )

    def to_be_dkim_signed(self, *, domain: str, selector: str | None = None, dns: Any = None) -> None:
        """A DKIM signature of a domain holds: key, signed header fields and body (RFC 6376, 6.1).

        Args:
            domain: of the signer (``d=``).
            selector: of its key (``s=``); any when not given.
            dns: who has the key: the fixture ``mailtrap_dns``, a mapping of names to TXT records, or a function of a
                name. Not given: the test's ``mailtrap_dns``. The real DNS is never asked.

        Raises:
            AssertionError: none holds; the text says why, of each signature there is.
            ConfigError: dkimpy is not installed (the extra ``dkim``), or there is nobody to answer DNS.
        """
        __tracebackhide__ = True
        message = self._of("to_be_dkim_signed", Message)
        from .signatures import complaint

        if why := complaint(message, domain, selector, dns):
            wanted = domain if selector is None else f"{domain} with selector {selector}"
            raise AssertionError(f"{message!r} is not signed by {wanted}: {why}")

    def to_support_clients(
        self, *clients: str, level: Literal["full", "partial"] = "partial", ignore: Iterable[str] = ()
    ) -> None:
        """The HTML uses nothing that these mail programs are known to lack. What is not known is not judged.

        Args:
            clients: ``"apple-mail" "gmail" "outlook" "outlook-web" "outlook-mac" "outlook-mobile" "yahoo" "samsung"
                "thunderbird"``; all of them where none is named. ``"outlook"`` is the one that renders with Word.
            level: ``"full"``: what works partly, or in some of a program's apps alone, counts as lacking too.
            ignore: ids of features that do not count, as the text of the failure has them.

        Raises:
            AssertionError: the text lists what each program lacks. A mail without HTML lacks nothing.
            ConfigError: a program that nothing is known of, or another level.
        """
        __tracebackhide__ = True
        message = self._of("to_support_clients", Message)
        ignored = {ignore} if isinstance(ignore, str) else set(ignore)
        lines = []
        for client, found in unsupported(message.html or "", clients or CLIENTS, level).items():
            if lacks := [use for use in found if use.id not in ignored]:
                lines.append(f"  {client} ({CLIENTS[client]}):")
                lines += [f"    {use.name}: {use.by(client)} ({use.id})" for use in lacks]
        if lines:
            raise AssertionError("\n".join([f"the HTML of {message!r} uses what mail programs lack:", *lines]))

    def _of(self, name: str, *kinds: type[Any]) -> Any:
        __tracebackhide__ = True
        if not isinstance(self._subject, kinds):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise TypeError(f"{name} is expected of a {wanted}, not of {self._subject!r}")
        return self._subject

    def __repr__(self) -> str:
        return f"expect({self._subject!r})"


def expect(subject: MailServer | Message | Mailbox) -> Expectation:
    """Begin an expectation: ``expect(message).to_have_flag("\\\\Seen")``.

    Raises:
        TypeError: the subject is none of these. Of an ``AsyncMailServer``, await its own methods.
    """
    __tracebackhide__ = True
    if not isinstance(subject, MailServer | Message | Mailbox):
        raise TypeError(f"expect() takes a MailServer, a Message or a Mailbox, not {type(subject).__name__}")
    return Expectation(subject)


Found = Sequence[tuple[Copy, frozenset[str]]]  # copies, each with the flags it had when it was looked at


def _wait(
    message: Message, account: str | None, timeout: float | None, what: str, fits: Callable[[Found], bool],
    *, everywhere: bool = False,
) -> None:  # fmt: skip
    """Wait until the copies that count fit."""
    __tracebackhide__ = True
    owner = account
    if owner is None and isinstance(message, Copy):
        owner = str(message.account.address)
    same = None if everywhere or account is not None or not isinstance(message, Copy) else message

    def look() -> Found:
        copies = _copies(message, owner)
        if same is not None and (itself := [pair for pair in copies if pair[0] == same]):
            return itself
        return copies

    def failure(seconds: float) -> AssertionError:
        where = "\n".join(
            f"  {copy.mailbox.name} of {copy.account.address}: {' '.join(sorted(flags)) or 'no flags'}"
            for copy, flags in look()
        )
        whose = f" of {owner}" if owner else ""
        return AssertionError(
            f"{message!r} had not {what} within {seconds:g} s; its copies{whose}:\n{where or '  none'}"
        )

    message.server.wait_until(lambda: fits(look()) or None, timeout=timeout, error=failure)


def _copies(message: Message, owner: str | None) -> list[tuple[Copy, frozenset[str]]]:
    """The copies of an account, or of all, with their flags. One that goes away meanwhile is passed over."""
    from mailtrap import Address, StoreError

    found = []
    for copy in message.copies:
        if owner is not None and copy.account.address != Address(owner).account:
            continue
        try:
            flags = copy.flags
            copy.mailbox.name  # noqa: B018  a mailbox that is gone says so here
        except StoreError:
            continue
        found.append((copy, flags))
    return found


def _mailbox_count(mailbox: Mailbox, count: int, timeout: float | None, criteria: dict[str, Any]) -> None:
    __tracebackhide__ = True
    found: list[Copy] = []

    def enough() -> bool | None:
        found[:] = mailbox.select(**criteria)
        return True if len(found) >= count else None

    def failure(seconds: float) -> AssertionError:
        from mailtrap import MessageNotFound

        there = "\n".join(f"  {copy!r}" for copy in mailbox.messages) or "  nothing"
        return MessageNotFound(
            f"{len(found)} of {count} messages matched in {mailbox!r} within {seconds:g} s; in it:\n{there}"
        )

    mailbox.server.wait_until(enough, timeout=timeout, error=failure)
    if len(found) > count:
        there = "\n".join(f"  {copy!r}" for copy in found)
        raise UnexpectedMessage(f"{len(found)} messages match in {mailbox!r} where {count} were expected:\n{there}")


def _words(text: str) -> list[str]:
    """Words in lower case, without addresses of links: those stand beside a link's text in one alternative only."""
    return _WORD.findall(_URL.sub(" ", text).lower())


def _differences(left: list[str], right: list[str]) -> list[str]:
    lines = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind in ("delete", "replace"):
            lines.append(f"- {' '.join(left[a:b])[:200]}")
        if kind in ("insert", "replace"):
            lines.append(f"+ {' '.join(right[c:d])[:200]}")
    return lines[:20]
