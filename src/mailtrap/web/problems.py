"""What goes wrong with a request, as an exception and as an answer. Never a traceback."""

import logging
from typing import TYPE_CHECKING, Final

from flask import Flask, Response, jsonify, make_response, request
from werkzeug.exceptions import HTTPException

from ..delivery.posting import Posted
from ..errors import (
    ConfigError,
    MailboxExists,
    MailtrapError,
    NoSuchAccount,
    NoSuchMailbox,
    NotAllowed,
    OverQuota,
    QueryError,
    ServerRestarted,
    StoreError,
)

if TYPE_CHECKING:
    from .site import Site

log = logging.getLogger("mailtrap.http")

# The first that fits counts: the more special ones stand before StoreError.
STATUS: Final[tuple[tuple[type[MailtrapError], int], ...]] = (
    (Posted, 400), (NoSuchAccount, 404), (NoSuchMailbox, 404), (MailboxExists, 409), (NotAllowed, 403),
    (OverQuota, 507), (ServerRestarted, 409), (ConfigError, 400), (QueryError, 400), (StoreError, 503),
)  # fmt: skip


class Problem(Exception):
    """An answer that is not what was asked for.

    Attributes:
        status: of HTTP.
        kind: a name for programs.
        parameter: the one that is wrong; None where none is.
    """

    def __init__(self, status: int, message: str, *, kind: str = "BadRequest", parameter: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.parameter = parameter


class BadParameter(Problem):
    """A parameter that does not exist or does not fit: 400."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(400, message, kind="BadParameter", parameter=parameter)


def handle(app: Flask, site: "Site") -> None:
    """Answer every exception of the application in the form of the interface that was asked."""

    def answer(error: Exception) -> Response:
        problem = as_problem(error)
        if problem.status == 500:
            log.error("%s %s failed", request.method, request.path, exc_info=error)
            (site.server.view() or site.server).report(error)
        response = _form(problem)
        if isinstance(error, HTTPException):
            for name, value in error.get_headers(request.environ):
                if name.lower() not in ("content-type", "content-length"):
                    response.headers[name] = value  # Allow of a 405
        return response

    app.register_error_handler(Exception, answer)


def as_problem(error: Exception) -> Problem:
    """What to tell of an exception: its text only where it was made to be read."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        text = {
            404: f"there is nothing at {request.path}",
            405: f"{request.method} is not possible at {request.path}",
            413: "the body of the request is too large",
        }.get(error.code or 500, error.description or error.name)
        return Problem(error.code or 500, text, kind=error.name.replace(" ", ""))
    for kind, status in STATUS:
        if isinstance(error, kind):
            return Problem(status, str(error), kind=type(error).__name__)
    return Problem(500, "the server failed; its log says why", kind="InternalServerError")


def _form(problem: Problem) -> Response:
    path = request.path
    if path.startswith("/api/v1/"):  # Mailpit's own form: text
        text = "404 page not found" if problem.kind == "NotFound" else str(problem)
        response = make_response(f"{text}\n")
        response.mimetype = "text/plain"
    elif path.startswith(("/api/", "/livez", "/readyz")):
        error = {"type": problem.kind, "message": str(problem)}
        if problem.parameter is not None:
            error["parameter"] = problem.parameter
        response = jsonify({"error": error})
    else:
        from .pages import problem_page

        response = make_response(problem_page(problem))
    response.status_code = problem.status
    return response
