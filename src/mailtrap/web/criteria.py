"""What a wait looks for, out of a query or a JSON object.

In a query ``subject=Welcome`` means equal, ``subject_matches=Wel.*`` searches for a regular expression, a name given
twice means both, in any order. ``header=X-Run: 7`` and ``header_matches=X-Run: [0-9]`` compare a header. In JSON a text
means equal, ``{"matches": "Wel.*"}`` searches, a list means these in any order, and ``header`` is an object of names,
where null expects that there is none. In both, ``query`` is one in the language of ``store.query``.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from . import questions
from .problems import BadParameter

NAMES: Final = (
    "to", "cc", "bcc", "from_", "reply_to", "subject", "recipients", "mail_from", "message_id", "text", "html", "plain",
    "id", "origin", "codes",
)  # fmt: skip
ALIASES: Final = {"from": "from_"}
MATCHES: Final = "_matches"
QUERY: Final = frozenset(name + suffix for name in (*NAMES, *ALIASES, "header") for suffix in ("", MATCHES)) | {
    "query"
}  # every name of a criterion in a query
JSON: Final = frozenset((*NAMES, *ALIASES, "header", "query"))


def from_query(query: Mapping[str, list[str]]) -> dict[str, Any]:
    """Criteria out of a query, each name with its values.

    Raises:
        BadParameter: a pattern that is none, or a header without a colon.
    """
    found: dict[str, Any] = {}
    for parameter, values in query.items():
        if parameter not in QUERY:
            continue
        if parameter == "query":
            found["query"] = _one_query(values)
            continue
        name, searches = parameter.removesuffix(MATCHES), parameter.endswith(MATCHES)
        if name == "header":
            headers = found.setdefault("header", {})
            for value in values:
                field, colon, expected = value.partition(":")
                if not colon or not field.strip():
                    raise BadParameter(parameter, f"{parameter} is written 'Name: value', not {value!r}")
                expected = expected.strip()
                headers[field.strip()] = _pattern(parameter, expected) if searches else expected
            continue
        wanted: list[Any] = [_pattern(parameter, value) if searches else value for value in values]
        name = ALIASES.get(name, name)
        if name in found:
            raise BadParameter(parameter, f"{name} is asked for twice, in two ways")
        found[name] = wanted[0] if len(wanted) == 1 else wanted
    return found


def from_json(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Criteria out of a JSON object.

    Raises:
        BadParameter: a value of another kind, or a pattern that is none.
    """
    found: dict[str, Any] = {}
    for parameter, value in asked.items():
        if parameter not in JSON:
            continue
        name = ALIASES.get(parameter, parameter)
        if name in found:
            raise BadParameter(parameter, f"{name} is asked for twice")
        if name == "query":
            found[name] = questions.text(name, value)
        elif name == "header":
            if not isinstance(value, dict):
                raise BadParameter(parameter, "header is an object of names and values")
            found[name] = {
                field: None if expected is None else read(f"header {field}", expected)
                for field, expected in value.items()
            }
        else:
            found[name] = read(parameter, value)
    return found


def _one_query(values: list[str]) -> str:
    if len(values) != 1:
        raise BadParameter("query", "query is given once: all its terms must fit")
    return values[0]


def read(parameter: str, value: Any) -> Any:
    """What one value has to be, out of JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        if any(isinstance(item, list) for item in value):
            raise BadParameter(parameter, f"{parameter} is a list in a list")
        return [read(parameter, item) for item in value]
    if isinstance(value, dict) and set(value) == {"matches"}:
        return _pattern(parameter, questions.text(f"{parameter}.matches", value["matches"]))
    raise BadParameter(parameter, f'{parameter} is a text, a list of texts or {{"matches": pattern}}, not {value!r}')


def _pattern(parameter: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadParameter(parameter, f"{parameter} is no regular expression: {error}") from error
