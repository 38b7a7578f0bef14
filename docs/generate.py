"""Writes anew what stands in the documents and elsewhere too:  python docs/generate.py

docs/reference/settings.md comes from mailtrap.config. Behind a line ``<!-- tests/examples/NAME.py -->`` of any other
document comes that file, which is tested where it is.
"""

# ruff: noqa: INP001  a script, not a package
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import Field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from mailtrap import config

DOCS = Path(__file__).parent
TARGET = DOCS / "reference/settings.md"
WITH_EXAMPLES = [DOCS / "tutorial.md", *sorted((DOCS / "how-to").glob("*.md"))]
EXAMPLE = re.compile(r"^<!-- (tests/examples/\S+) -->\n(?:```python\n.*?^```\n)?", re.MULTILINE | re.DOTALL)
HEAD = """# Settings

This file is written by `docs/generate.py` from `mailtrap.config`.

A setting has one name everywhere:

- Python: `MailServer(routing="strict")`, `server.scope(routing="strict")`.
- pytest: the fixture `mailtrap_config`, `mailtrap_routing = strict` in an ini file (lists with spaces),
  `@pytest.mark.mailtrap(routing="strict")`.
- `mailtrap serve` and `mailtrap config`: `--routing strict`, else `MAILTRAP_ROUTING=strict`, else `routing = "strict"`
  in the TOML file of `--config`. A list is written with commas or spaces, in TOML as an array; `--account` and
  `--local-domain` are repeated.

Times are in seconds, sizes in octets. Where `mailtrap serve` has another default it stands in the column *serve*.
"""
BOOT = "Fixed when a server starts"
LIVE = "Of a scope, to be changed at any time"


def written(value: object) -> str:
    """A value as a cell of a table."""
    if isinstance(value, frozenset | tuple):
        value = sorted(map(str, value)) or "empty"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def kind(hint: Any) -> str:
    """A type as a cell of a table."""
    if get_origin(hint) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(hint))
    if get_origin(hint) in (frozenset, tuple):
        return "list" if get_args(hint)[0] is str else "list of objects"
    names = {
        str: "text", str | None: "text", int | None: "port", int: "number", float: "seconds", bool: "`true`, `false`",
        object | None: "object",
    }  # fmt: skip
    return names[hint]


def table(owner: type, settings: Mapping[str, Field[Any]]) -> Iterator[str]:
    """The lines of a table."""
    hints = get_type_hints(owner)
    yield "| Setting | Type | Default | serve | Meaning |"
    yield "|---|---|---|---|---|"
    for name, setting in settings.items():
        default, serve = written(setting.default), written(setting.metadata["serve"])
        other = "" if serve == default else serve
        yield f"| `{name}` | {kind(hints[name])} | {default} | {other} | {setting.metadata['meaning']} |"


def render() -> str:
    """The file."""
    boot, live = table(config.Boot, config.BOOT), table(config.Live, config.LIVE)
    return "\n".join([HEAD, f"## {BOOT}", "", *boot, "", f"## {LIVE}", "", *live, ""])


def with_examples(text: str) -> str:
    """A document with its examples as they are now."""

    def example(found: re.Match[str]) -> str:
        code = (DOCS.parent / found[1]).read_text("utf-8")
        return f"<!-- {found[1]} -->\n```python\n{code}```\n"

    return EXAMPLE.sub(example, text)


def written_anew() -> Iterator[tuple[Path, str]]:
    """Each file that is written here, and what has to stand in it."""
    yield TARGET, render()
    for path in WITH_EXAMPLES:
        yield path, with_examples(path.read_text("utf-8"))


if __name__ == "__main__":
    for path, text in written_anew():
        path.write_text(text, "utf-8")
        sys.stdout.write(f"wrote {path}\n")
