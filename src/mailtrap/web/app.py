"""The Flask application of one server, put together."""

from flask import Flask, Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from .. import limits
from ..errors import MailtrapError
from ..server import MailServer
from . import LIFE, guard, problems
from .api import MailpitAPI
from .faults import FaultAPI
from .own import OwnAPI
from .own_mailboxes import MailboxAPI
from .pages import prepare
from .problems import Problem
from .route import App
from .site import Site
from .viewer import Viewer


def build(server: MailServer) -> Flask:
    """The application of a server."""
    app = App(__package__, static_folder="static", static_url_path="/static", template_folder="templates")
    app.config["MAX_CONTENT_LENGTH"] = limits.HTTP_BODY
    app.config["MAX_FORM_MEMORY_SIZE"] = limits.HTTP_BODY
    app.json.sort_keys = False  # type: ignore[attr-defined]  # it is Flask's default provider
    app.url_map.strict_slashes = False
    site = Site(server)
    prepare(app, site)
    guard.protect(app, server)
    problems.handle(app, site)
    for part in (MailpitAPI(site), OwnAPI(site), MailboxAPI(site), FaultAPI(site), Viewer(site)):
        app.register_blueprint(part.blueprint())

    def same_life() -> None:
        known = request.headers.get(LIFE)
        if known is not None and known != server.mark().life:
            raise Problem(409, f"the store began anew: {known} is over", kind="ServerRestarted")

    app.before_request(same_life)

    def livez() -> Response:
        return Response("ok\n", mimetype="text/plain")

    def readyz() -> Response:
        try:
            server.mark()
        except MailtrapError:
            return Response("the store does not answer\n", status=503, mimetype="text/plain")
        return Response("ok\n", mimetype="text/plain")

    def favicon() -> AnyResponse:
        return redirect(url_for("static", filename="favicon.svg"))

    app.add_url_rule("/livez", view_func=livez)
    app.add_url_rule("/readyz", view_func=readyz)
    app.add_url_rule("/favicon.ico", view_func=favicon)
    return app
