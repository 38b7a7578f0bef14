"""Parameters of a request, read strictly: what does not fit is a 400 that names it."""

import difflib
import math
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from flask import request

from ..waiting import Mark
from .problems import BadParameter, Problem

LONGEST_WAIT: Final = 3600.0  # seconds


def known(names: Iterable[str], allowed: Collection[str]) -> None:
    """Refuse parameters that do not exist, naming the nearest that does.

    Raises:
        BadParameter: there is one.
    """
    for name in names:
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=1)
            hint = f"; the nearest is {near[0]!r}" if near else ""
            raise BadParameter(name, f"there is no parameter {name!r}{hint}")


def integer(
    name: str, default: int, *, least: int = 0, most: int = 2**62, source: Mapping[str, Any] | None = None
) -> int:
    """A whole number out of the query, or out of ``source``."""
    value = (request.args if source is None else source).get(name)
    if value is None or value == "":
        return default
    try:
        number = int(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
        bounds = f"{least} or more" if most == 2**62 else f"from {least} to {most}"
        raise BadParameter(name, f"{name} is a whole number, {bounds}, not {value!r}")
    return number


def seconds(name: str, value: Any, most: float = LONGEST_WAIT) -> float | None:
    """A time in seconds; None where there is none."""
    if value is None or value == "":
        return None
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= most:
        raise BadParameter(name, f"{name} is a number of seconds, from 0 to {most:g}, not {value!r}")
    return number


def moment(name: str, value: str | None) -> datetime | None:
    """A time as ISO 8601, UTC where it has no offset; None where there is none."""
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
        found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        found.timestamp()
    except (ValueError, OverflowError) as error:
        raise BadParameter(name, f"{name} is a time as 2026-07-20T14:03:00+00:00, not {value!r}") from error
    return found


def flag(name: str, value: Any) -> bool:
    """Yes or no: ``true false 1 0``; a parameter without a value is yes."""
    if isinstance(value, bool):
        return value
    word = {"": True, "1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if value is None:
        return False
    if (found := word.get(str(value).lower())) is None:
        raise BadParameter(name, f"{name} is true or false, not {value!r}")
    return found


def text(name: str, value: Any, *, default: str | None = None) -> str:
    """A text.

    Raises:
        BadParameter: it is something else, or missing where there is no default.
    """
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        what = "missing" if value is None else f"a text, not {value!r}"
        raise BadParameter(name, f"{name} is {what}")
    return value


def texts(name: str, value: Any) -> list[str]:
    """A list of texts, out of JSON."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadParameter(name, f"{name} is a list of texts, not {value!r}")
    return value


def numbers(name: str, value: Any) -> list[int]:
    """A list of whole numbers, out of JSON."""
    if not isinstance(value, list) or not all(isinstance(item, int) and not isinstance(item, bool) for item in value):
        raise BadParameter(name, f"{name} is a list of whole numbers, not {value!r}")
    return value


def mark(name: str, value: Any) -> Mark:
    """A mark as ``write_mark`` wrote it."""
    life, _, seq = str(value).rpartition(":")
    if not (life and seq.isascii() and seq.isdecimal() and len(seq) < 19):
        raise BadParameter(name, f"{name} is a mark as 'mark' gives it, <life>:<seq>, not {value!r}")
    return Mark(life, int(seq))


def write_mark(mark: Mark) -> str:
    """A mark as one word."""
    return f"{mark.life}:{mark.seq}"


def json_object() -> dict[str, Any] | None:
    """The JSON object that the request carries; None where it is something else."""
    try:
        value = request.get_json(force=True, silent=True)
    except RecursionError:
        return None
    return value if isinstance(value, dict) else None


def body() -> dict[str, Any]:
    """The JSON object that the request carries; empty where it carries nothing.

    Raises:
        Problem: 400, it is something else.
    """
    if not request.get_data(cache=True):
        return {}
    value = json_object()
    if value is None:
        raise Problem(400, "the body is not a JSON object")
    return value
