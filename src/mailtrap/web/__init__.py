"""HTTP: the JSON interfaces and the viewer, one WSGI application over ``MailServer``'s public interface.

Importing this package imports no Flask; ``create_app`` does.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flask import Flask

    from ..server import MailServer

API: Final = 1  # of ``/api/mailtrap/``; grows when an answer changes in a way that a client must know


# A client's header: the life of the store that it knows. A request of a client that knows another is answered with 409.
LIFE: Final = "Mailtrap-Life"


def create_app(server: "MailServer") -> "Flask":
    """The application of a server: a plain WSGI application, for whatever serves it."""
    from .app import build

    return build(server)
