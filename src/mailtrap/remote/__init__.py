"""The same interface over HTTP, for a server that runs elsewhere.

``MailServer.connect(url)`` gives a ``MailServer`` whose parts ask ``/api/mailtrap/``: its store is ``RemoteStore``, its
bell rings when the event stream tells of a change. Waits, messages, accounts and mailboxes are the very classes that a
server in the process has, so they mean the same. Criteria are evaluated here: patterns and functions work.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .server import RemoteServer


def connect(url: str, settings: Mapping[str, Any]) -> "RemoteServer":
    """A client of the server whose HTTP listener is at ``url``.

    Args:
        settings: ``timeout``, of this client's waits; ``smtp_port`` and the like, where a listener is reached at
            another port than the server itself knows, as through a port mapping; ``exclusive=True``: nobody else uses
            the server, so a scope that is entered is current there, and mail for whatever domain belongs to it.

    Raises:
        ConfigError: another setting, or no URL.
        MailtrapError: nothing answers there, or it is no mailtrap server of a version that fits.
    """
    from .server import open_remote

    return open_remote(url, settings)
