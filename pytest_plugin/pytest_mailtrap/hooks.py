"""pytest hooks of the plugin, to be implemented in a conftest.py or another plugin.

Both are called in the thread that runs the tests, never in one of the server's. An exception fails what they were
called for: the fixture, or the test.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mailtrap import MailServer, Message


def pytest_mailtrap_configure(config: pytest.Config, server: "MailServer") -> None:
    """A mail server runs, and no test has used it yet: the session's, or one that a test's marker asked for.

    Args:
        config: of the run.
        server: may be given accounts and mail, which are then there in every test.
    """


def pytest_mailtrap_message(item: pytest.Item, message: "Message") -> None:
    """A message was submitted in a test: once for each, in the order they came.

    Called after the test's own code has passed, so an exception fails the test in its call phase. Messages that come
    later, or for a test that failed, are told when the fixture ``mailserver`` is torn down.

    Args:
        item: the test. A conftest.py hears of the tests in its folder and below.
        message: as ``mailserver.messages`` has it: its origin is smtp, lmtp or http.
    """
