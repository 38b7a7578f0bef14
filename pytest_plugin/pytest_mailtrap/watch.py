"""The scopes of tests on one server, and what happened in them that no test asked about: errors, strays, late mail."""

import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import pytest

from . import options

if TYPE_CHECKING:
    from mailtrap import MailServer, Message

    from .found import Found

SUBMITTED: Final = ("smtp", "lmtp", "http")  # the origins that waits and ``.messages`` see
NAME_LENGTH: Final = 48  # of a scope's name; as a mail domain's label it may have 63


class LateMailWarning(pytest.PytestWarning):
    """Mail came for a test that was over."""


class Watched:
    """What came for a test in its scope, and what of it was told already.

    Attributes:
        scope: a running ``MailServer``.
        item: the test; None for what belongs to no test.
        ending: the server is stopped when the test is torn down.
        found: what was there then, when the server is gone before the last report on the test is made.
        shown: whether a report has the section on its mail.
        outcome: of the test so far, as a page of its mail says it.
        reason: why it failed.
        failed: whether it did, in whatever phase.
        gone: the server was started anew meanwhile, and that was told.
    """

    def __init__(
        self,
        scope: "MailServer",
        item: pytest.Item | None = None,
        watch: "Watch | None" = None,
        *,
        strict: bool = False,
    ) -> None:
        """
        Args:
            watch: that it is a part of.
            strict: mail that the test does not look at fails it.
        """
        self.scope = scope
        self.item = item
        self._watch = watch
        self.ending = False
        self.found: Found | None = None
        self.shown = self.failed = self.gone = False
        self.outcome, self.reason = "passed", ""
        self._raised: list[BaseException] = []
        self._told = 0  # the seq of the message that the hook was called for last
        self._strict = strict
        if strict:
            scope.looks = set()

    def settle(self) -> None:
        """Say what is to be said of what came since the last time.

        Raises:
            ServerError: something went wrong inside the server.
            ServerRestarted: it runs elsewhere, and was started anew. The run ends after the test.
            UnexpectedMessage: mail came that the test did not look at, and ``mailtrap_strict`` is on.
            BaseException: from an implementation of ``pytest_mailtrap_message``.
        """
        __tracebackhide__ = True
        if self.gone:
            return
        try:
            self.raise_errors()
            self._tell()
            self._raise_strays()
        except Exception as error:
            self.see(error)
            raise

    def see(self, error: BaseException) -> None:
        """Note that a test met this error: no further test has a server when it was started anew."""
        from mailtrap import ServerRestarted

        if isinstance(error, ServerRestarted) and not self.gone:
            self.gone = True
            if self.item is not None:
                self.item.session.shouldstop = str(error)
            if self._watch is not None:
                self._watch.gone = True

    def keep(self) -> None:
        """Gather what there is now, because the server is about to be stopped."""
        from mailtrap import MailtrapError

        from .found import find

        with suppress(MailtrapError):  # the test stopped it: the report will say so
            self.found = find(self.scope, to_keep=True)

    def _tell(self) -> None:
        """Call the hook ``pytest_mailtrap_message`` for each new message; all of them, whatever it raises."""
        __tracebackhide__ = True
        # That of the whole run first: the item's own, without conftest.py files of other folders, takes longer to make.
        if self.item is None or not self.item.config.hook.pytest_mailtrap_message.get_hookimpls():
            return
        hook = self.item.ihook.pytest_mailtrap_message
        failures: list[BaseException] = []
        for message in self.scope.page(after=self._told, newest_first=False):
            self._told = message.seq
            if message.origin not in SUBMITTED:
                continue
            try:
                hook(item=self.item, message=message)
            except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001  raised below
                error.add_note(f"in pytest_mailtrap_message for {message!r}")
                failures.append(error)
        if len(failures) == 1:
            raise failures[0]
        if failures:
            raise BaseExceptionGroup(f"pytest_mailtrap_message failed for {len(failures)} messages", failures)

    def _raise_strays(self) -> None:
        """Raise for mail that came and was not looked at, once for each."""
        __tracebackhide__ = True
        if not self._strict or self.scope.looks is None:
            return
        looks = self.scope.looks
        messages = self.scope.page(newest_first=False)
        strays = [m for m in messages if m.origin in SUBMITTED and m.seq not in looks and not _was_read(m)]
        if strays:
            looks.update(message.seq for message in strays)
            from mailtrap import UnexpectedMessage

            lines = [f"  {message!r}" for message in strays]
            what = "a message" if len(strays) == 1 else f"{len(strays)} messages"
            raise UnexpectedMessage(
                "\n".join([f"{what} came that the test did not look at (mailtrap_strict):", *lines])
            )

    def raise_errors(self) -> None:
        """Raise what went wrong inside the server for this scope, once.

        Raises:
            ServerError: its cause is the original, or a group of them where there are several.
        """
        __tracebackhide__ = True
        errors = [error for error in self.scope.errors if not any(error is raised for raised in self._raised)]
        if not errors:
            return
        self._raised += errors
        from mailtrap import ServerError

        what = "; ".join(f"{type(error).__name__}: {error}" for error in errors)
        cause = errors[0] if len(errors) == 1 else BaseExceptionGroup("errors of the mail server", errors)
        raise ServerError(f"the mail server failed while it worked for this test: {what}") from cause


WATCHED: Final = pytest.StashKey[Watched]()


class Watch:
    """The tests on one server, one after the other.

    Attributes:
        whole_run: the server is that of our fixture ``mailtrap_server``.
        over: no further test comes.
        gone: the server was started anew meanwhile.
    """

    def __init__(
        self, server: "MailServer", config: pytest.Config, *, own: bool = False, whole_run: bool = False
    ) -> None:
        """own: the server is one test's alone."""
        self.server = server
        self.whole_run = whole_run
        self.over = False
        self._own = own
        self._config = config
        self._strict = options.flag(config, "strict")
        self._seen = server.mark().seq
        self._closed: dict[str, str] = {}  # the scope's name to the test's node id
        self._late: list[str] = []
        self.gone = False

    def enter(self, item: pytest.Item, live: Mapping[str, Any]) -> Watched:
        """Open a scope for a test, which is current from now on."""
        scope = self.server.scope(scope_name(item.name), **live).start()
        watched = item.stash[WATCHED] = Watched(scope, item, self, strict=self._strict)
        return watched

    def leave(self, watched: Watched) -> None:
        """The test is over: close its scope.

        Raises:
            ServerError UnexpectedMessage: see ``Watched.settle()``, for what came after the call phase.
        """
        __tracebackhide__ = True
        assert watched.item is not None
        try:
            self._look()
            self._closed[watched.scope.name] = watched.item.nodeid
            if watched.ending or self._own:
                watched.keep()
        finally:
            watched.scope.stop()
        watched.settle()

    def begin(self) -> None:
        """Call the hook ``pytest_mailtrap_configure``: no test uses the server yet."""
        __tracebackhide__ = True
        self._config.hook.pytest_mailtrap_configure(config=self._config, server=self.server)

    def close(self) -> None:
        """No further test comes.

        Raises:
            ServerError: what went wrong outside all tests' scopes.
            UnexpectedMessage: mail came for tests that were over, and ``mailtrap_strict`` is on.
        """
        __tracebackhide__ = True
        self.over = True
        if self.gone:
            return
        self._look()
        Watched(self.server).raise_errors()
        if self._strict and self._late:
            from mailtrap import UnexpectedMessage

            raise UnexpectedMessage("\n".join(["mail came too late (mailtrap_strict):", *self._late]))

    def where(self) -> str:
        """Where mail should go, for people; "" where the server has no SMTP or runs no longer."""
        from mailtrap import MailtrapError

        try:
            return f"mailserver.smtp, {self.server.smtp.host}:{self.server.smtp.port}"
        except MailtrapError:
            return ""

    def _look(self) -> None:
        """Find mail that came for tests that are over, and say so: against those tests, not the one that runs now."""
        from mailtrap import MailtrapError

        try:
            head = self.server.mark().seq
        except MailtrapError:
            return  # the test stopped it, and its store cannot be asked any more
        if head == self._seen:
            return
        for message in self.server.page(after=self._seen, before=head + 1, all_scopes=True):
            if (nodeid := self._closed.get(message.scope)) is not None and message.origin in SUBMITTED:
                self._tell_late(message, nodeid)
        self._seen = head

    def _tell_late(self, message: "Message", nodeid: str) -> None:
        text = f"{message!r} came when its test {nodeid} was over: let the test wait for it"
        self._late.append(text)
        warning = LateMailWarning(text)
        self._config.hook.pytest_warning_recorded.call_historic(
            kwargs={
                "warning_message": warnings.WarningMessage(warning, LateMailWarning, nodeid, 0),
                "when": "runtest", "nodeid": nodeid, "location": None,
            }
        )  # fmt: skip


SHARED: Final = pytest.StashKey[Watch]()  # on a class or module: what its tests share
WATCHES: Final = pytest.StashKey[dict[int, Watch]]()  # by the id() of the server, which each of them keeps alive


def watch_on(config: pytest.Config, server: "MailServer") -> Watch | None:
    """The watch on a server; None where there is none yet."""
    return config.stash.setdefault(WATCHES, {}).get(id(server))


def watching(config: pytest.Config, server: "MailServer", *, whole_run: bool = False) -> Watch:
    """Begin to watch a server, whom the hook ``pytest_mailtrap_configure`` is called for."""
    watch = config.stash.setdefault(WATCHES, {})[id(server)] = Watch(server, config, whole_run=whole_run)
    watch.begin()
    return watch


def _was_read(message: "Message") -> bool:
    """Whether a reader took it: over IMAP or POP3 it has seen a copy, or removed all."""
    copies = message.copies
    return not copies or any("\\Seen" in copy.flags for copy in copies)


def scope_name(test: str) -> str:
    """The name of a test's scope: short, readable, and good for a mail domain."""
    return re.sub(r"[^A-Za-z0-9]+", "-", test).strip("-")[:NAME_LENGTH].strip("-") or "test"
