"""HTTP: the JSON interfaces and the viewer, one WSGI application over ``MailServer``'s public interface.

Importing this package imports no Flask; ``create_app`` does.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from flask import Flask

    from ..server import MailServer

API: Final = 1  # of ``/api/mailtrap/``; grows when an answer changes in a way that a client must know


# A client's header: the life of the store that it knows. A request of a client that knows another is answered with 409.
LIFE: Final = "Mailtrap-Life"


def rehearse(app: "WSGIApplication") -> None:
    """Ask an application what is asked first, so that it has the answer ready: the newest messages, in both forms."""
    from werkzeug.test import Client

    Client(app).get("/").close()
    newest(app)


def newest(app: "WSGIApplication") -> None:
    """Have the lines of the newest messages made: they are kept."""
    from werkzeug.test import Client

    Client(app).get("/api/v1/messages?scope=*").close()


def create_app(server: "MailServer") -> "Flask":
    """The application of a server: a plain WSGI application, for whatever serves it."""
    from .app import build

    return build(server)
