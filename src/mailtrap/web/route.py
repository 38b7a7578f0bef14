"""Routes that are ready sooner: an application of ours has some ninety."""

from collections.abc import Callable
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

Build = Callable[..., tuple[str, str]]


class Route(Rule):
    """A rule that learns to put its own address together when it is first asked for it, which most never are.

    Werkzeug writes and compiles two functions for each rule, which is most of what it takes to make the application.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Build:
        make = super()._compile_builder
        made: list[Build] = []

        def build(rule: Rule, /, **values: Any) -> tuple[str, str]:
            if not made:
                made.append(make(append_unknown))
            return made[0](rule, **values)

        return build


class App(Flask):
    """A Flask application with such routes."""

    url_rule_class = Route
