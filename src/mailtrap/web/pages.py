"""Rendering: what every template may use. All text is escaped by the templates; nothing here marks any as safe."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from flask import Flask, Response, g, render_template, request, url_for

from .. import __version__, clock
from ..message.address import Address
from .problems import Problem
from .site import EVERY_SCOPE, Site

UNITS: Final = ("B", "KB", "MB", "GB")


def prepare(app: Flask, site: Site) -> None:
    """Give the templates their filters and globals."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.add_template_filter(size, "size")
    app.add_template_filter(person, "person")
    app.add_template_filter(people, "people")
    app.add_template_filter(when, "when")
    app.add_template_filter(plural, "plural")
    app.add_template_filter(is_followable, "followable")

    def asset(name: str) -> str:
        return url_for("static", filename=name, v=__version__)

    def link(endpoint: str, **values: Any) -> str:
        """An address of ours in the scope that is shown."""
        scope = request.args.get("scope")
        if scope is not None:
            values.setdefault("scope", scope)
        return url_for(endpoint, **values)

    def everywhere() -> dict[str, Any]:
        server = site.server
        return {
            "asset": asset,
            "link": link,
            "every_scope": EVERY_SCOPE,
            "scope_names": server.scopes,
            "scope_shown": request.args.get("scope", EVERY_SCOPE),
            "refused_number": len(server.all_refused),
            "mark": g.get("mark", ""),
            "version": __version__,
        }

    app.context_processor(everywhere)


def page(template: str, **values: Any) -> Response:
    """A page; characters that no encoding has (they come out of broken mail) are question marks."""
    text = render_template(template, **values).encode("utf-8", "replace")
    return Response(text, content_type="text/html; charset=utf-8")


def problem_page(problem: Problem) -> Response:
    """What went wrong, for a person."""
    return page("problem.html", problem=problem)


def size(octets: int) -> str:
    """Octets for people: ``1.3 KB``."""
    number = float(octets)
    for unit in UNITS:
        if number < 1000 or unit == UNITS[-1]:
            break
        number /= 1000
    return f"{octets} B" if unit == "B" else f"{number:.1f} {unit}"


def person(address: Address | None) -> str:
    """The name of somebody, or the address."""
    return "" if address is None else address.name or str(address)


def people(addresses: Sequence[Address], most: int = 3) -> str:
    """Several of them, on one line."""
    shown = ", ".join(person(address) for address in addresses[:most])
    return f"{shown} and {len(addresses) - most} more" if len(addresses) > most else shown


def when(moment: datetime | float | None) -> dict[str, str]:
    """A moment, in UTC: ``iso`` for programs, ``short`` for lists, ``long`` for people. A script makes it local."""
    if moment is None:
        return {"iso": "", "short": "", "long": ""}
    if isinstance(moment, int | float):
        moment = clock.to_datetime(moment)
    today = clock.to_datetime(clock.now()).date() == moment.date()
    return {
        "iso": moment.isoformat(),
        "short": moment.strftime("%H:%M:%S" if today else "%d %b %H:%M"),
        "long": moment.strftime("%a %d %b %Y, %H:%M:%S %Z"),
    }


def plural(number: int, noun: str) -> str:
    """``1 message``, ``2 messages``."""
    ending = "" if number == 1 else "es" if noun.endswith("x") else "s"
    return f"{number} {noun}{ending}"


def is_followable(href: str) -> bool:
    """Whether a page may offer to follow a link of a mail: ``javascript:`` and the like are only shown."""
    return href.lower().startswith(("http://", "https://", "mailto:"))
