"""``/api/mailtrap/faults``: rules that say what happens at which command, as ``Endpoint.on`` takes them.

A rule is made with its actions, or gets them later, one by one; it acts once it has one. An action is an object with
the name of a method of ``Rule`` and its arguments: ``{"action": "respond_with", "reply": 450, "text": "4.2.1 Busy"}``.
"""

from typing import Any, Final

from flask import Blueprint, Response, jsonify

from ..faults import WRITTEN, Rule
from . import criteria, describe, questions
from .problems import BadParameter, Problem
from .site import Site

_NEW: Final = ("listener", "command", "stage", "nth", "after", "times", "match", "actions")


class FaultAPI:
    """The routes of fault rules."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def blueprint(self) -> Blueprint:
        """Its routes."""
        routes = Blueprint("faults", __name__, url_prefix="/api/mailtrap/faults")
        add = routes.add_url_rule
        add("", view_func=self.rules)
        add("", view_func=self.make, methods=["POST"])
        add("", view_func=self.clear, methods=["DELETE"])
        add("/<int:id>", view_func=self.rule)
        add("/<int:id>", view_func=self.remove, methods=["DELETE"])
        add("/<int:id>/actions", view_func=self.act, methods=["POST"])
        add("/<int:id>/release", view_func=self.release, methods=["POST"])
        return routes

    def rules(self) -> Response:
        """The rules of the scopes selected, oldest first in each."""
        return jsonify([describe.rule(rule) for view in self._site.select().views() for rule in view.rules])

    def make(self) -> tuple[Response, int]:
        """A new rule in the scope selected, with the actions given."""
        given = questions.body()
        questions.known(given, _NEW)
        view = self._site.select().view
        listener = questions.text("listener", given.get("listener"))
        endpoint = view.endpoints.get(listener)
        if endpoint is None:
            raise BadParameter("listener", f"there is no listener {listener!r}: {', '.join(view.endpoints)}")
        actions, match = given.get("actions", []), given.get("match", {})
        if not isinstance(actions, list):
            raise BadParameter("actions", "actions is a list of objects")
        if not isinstance(match, dict):
            raise BadParameter("match", "match is an object")
        command = questions.text("command", given.get("command"))
        options: dict[str, Any] = {name: given[name] for name in ("stage", "nth", "after", "times") if name in given}
        if taken := sorted({"command", *options}.intersection(match)):
            raise BadParameter("match", f"a rule cannot match {', '.join(taken)}")
        for name, value in match.items():
            options[name] = None if value is None else criteria.read(name, value)
        rule = endpoint.on(command, **options)
        try:
            for action in actions:
                _add(rule, action)
        except BaseException:
            rule.remove()  # all of them or no rule
            raise
        return jsonify(describe.rule(rule)), 201

    def clear(self) -> Response:
        """Take away the rules of the scopes selected; stalled sessions go on."""
        found = [rule for view in self._site.select().views() for rule in view.rules]
        for rule in found:
            rule.remove()
        return jsonify(deleted=len(found))

    def rule(self, id: int) -> Response:  # noqa: A002
        """One rule, with how often it acted."""
        return jsonify(describe.rule(self._find(id)))

    def remove(self, id: int) -> Response:  # noqa: A002
        """Take one rule away; sessions that it stalled go on."""
        self._find(id).remove()
        return jsonify(deleted=1)

    def act(self, id: int) -> Response:  # noqa: A002
        """One more action, behind those that it has."""
        found = self._find(id)
        _add(found, questions.body())
        return jsonify(describe.rule(found))

    def release(self, id: int) -> Response:  # noqa: A002
        """Let sessions that it stalled go on."""
        found = self._find(id)
        found.release()
        return jsonify(describe.rule(found))

    def _find(self, id: int) -> Rule:  # noqa: A002
        server = self._site.server
        for name in server.scopes:
            view = server.view(name)
            for rule in () if view is None else view.rules:
                if rule.id == id:
                    return rule
        raise Problem(404, f"there is no rule {id}: it was removed, or never made", kind="NoSuchRule")


def _add(rule: Rule, action: Any) -> None:
    if not isinstance(action, dict):
        raise BadParameter("actions", f"an action is an object, not {action!r}")
    method = questions.text("action", action.get("action"))
    if method not in WRITTEN:
        raise BadParameter("action", f"there is no action {method!r}: {', '.join(WRITTEN)}")
    arguments = {name: value for name, value in action.items() if name != "action"}
    questions.known(arguments, WRITTEN[method])
    try:
        getattr(rule, method)(**arguments)
    except TypeError as error:  # an argument is missing
        raise BadParameter("action", f"{method}: {error}") from error
