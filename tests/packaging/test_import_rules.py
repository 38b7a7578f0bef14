"""Who may import whom. Imports inside functions count; those for annotations only (``TYPE_CHECKING``) do not."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
PLUGIN = ROOT / "pytest_plugin"

# Modules without parts of their own: records, settings, errors. Everything below the server may use them.
GROUND = {"clock", "config", "errors", "faults", "hookspecs", "limits", "scopes", "transcript"}

# Package: what it may import of mailtrap, beside itself.
LAYERS = {
    "message": {"clock", "errors", "limits", "transcript", "checks"},
    "checks": {"errors", "limits", "message"},
    "store": {"background", "clock", "errors", "limits", "transcript", "message"},
    "wire": GROUND,
    "delivery": GROUND | {"background", "message", "plugins", "store.base", "store.rows", "wire"},
    "smtp": GROUND | {"message", "wire", "delivery"},
    "pop3": GROUND | {"message", "wire", "delivery", "store.base", "store.rows"},
    "imap": GROUND | {"message", "wire", "delivery", "store.alike", "store.base", "store.conditions",
             "store.directory", "store.finding", "store.query", "store.rows", "store.search"},
    "net": GROUND | {"store.base", "store.rows", "wire"},
    "web": {"checks", "clock", "config", "delivery.posting", "delivery.refusal", "endpoint", "errors", "explain",
            "faults", "limits", "mailboxes", "message", "server", "store.query", "transcript", "waiting",
            "__version__"},
    "remote": {"clock", "config", "delivery.refusal", "endpoint", "errors", "explain", "faults", "mailboxes",
               "message", "parts", "scope_source", "scopes", "server",
               "store.directory", "store.query", "store.rows", "transcript", "waiting", "web"},
}  # fmt: skip

WITHOUT_IO = ("message", "wire", "smtp", "pop3", "imap")
IO = {"asyncio", "concurrent", "psycopg", "selectors", "socket", "socketserver", "sqlite3", "ssl", "threading"}
EDGE = SOURCE / "mailtrap/smtp/edge.py"  # an aiosmtpd protocol on our driver: the one module of these that may do I/O


def modules(package: Path) -> list[Path]:
    return sorted(package.rglob("*.py"))


def imports(tree: ast.AST, package: list[str]) -> Iterator[tuple[int, str]]:
    """Line and full name of each module that is imported when the code runs; ``package``: where the module is."""
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{name}.{alias.name}"
                is_module = node.module is None or (SOURCE / full.replace(".", "/")).with_suffix(".py").exists()
                yield node.lineno, full if is_module else name


def imported(path: Path, root: Path = SOURCE) -> list[tuple[str, str]]:
    package = list(path.relative_to(root).parent.parts)
    found = imports(ast.parse(path.read_text("utf-8")), package)
    return [(f"{path.relative_to(ROOT)}:{line}", name) for line, name in found]


def within(name: str, allowed: set[str]) -> bool:
    """Whether ``mailtrap.a.b`` is one of ``a``, ``a.b``."""
    inner = name.removeprefix("mailtrap").removeprefix(".")
    return any(inner == part or inner.startswith(f"{part}.") for part in allowed)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import a.b", ["a.b"]),
        ("from . import errors", ["mailtrap.imap.errors"]),
        ("from .. import errors", ["mailtrap.errors"]),
        ("from ..store.base import Key", ["mailtrap.store.base"]),
        ("from ..store import base", ["mailtrap.store.base"]),
        ("from ...parts import Parts", ["parts"]),
        ("def f():\n    import socket", ["socket"]),
        ("if TYPE_CHECKING:\n    import ssl\nelse:\n    import socket", ["socket"]),
        ("if typing.TYPE_CHECKING:\n    from ..net import hub", []),
    ],
)
def test_how_imports_are_found(code: str, expected: list[str]) -> None:
    assert [name for _, name in imports(ast.parse(code), ["mailtrap", "imap"])] == expected


@pytest.mark.parametrize("package", LAYERS)
def test_a_package_imports_only_what_is_below_it(package: str) -> None:
    allowed = LAYERS[package] | {package}
    wrong = [
        f"{where}: {name}"
        for path in modules(SOURCE / "mailtrap" / package)
        for where, name in imported(path)
        if name.split(".")[0] == "mailtrap"
        and not within(name, allowed)
        and not (path == EDGE and within(name, {"net.driver"}))
    ]
    assert wrong == []


def test_every_package_has_its_rule() -> None:
    packages = {path.parent.name for path in (SOURCE / "mailtrap").glob("*/__init__.py")}
    assert packages == set(LAYERS)


@pytest.mark.parametrize("package", WITHOUT_IO)
def test_protocols_and_messages_do_no_io(package: str) -> None:
    wrong = [
        f"{where}: {name}"
        for path in modules(SOURCE / "mailtrap" / package)
        if path != EDGE
        for where, name in imported(path)
        if name.split(".")[0] in IO
    ]
    assert wrong == []


def test_only_clock_reads_a_clock_or_sleeps() -> None:
    wrong = []
    for path in [*modules(SOURCE), *modules(PLUGIN)]:
        if path == SOURCE / "mailtrap/clock.py":
            continue
        root = SOURCE if path.is_relative_to(SOURCE) else PLUGIN
        wrong += [where for where, name in imported(path, root) if name == "time"]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("now", "utcnow", "today")
                and ast.unparse(node.func.value) in ("datetime", "date", "datetime.datetime", "datetime.date")
            ):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert wrong == []


def test_only_server_knows_the_parts() -> None:
    wrong = [
        where
        for path in modules(SOURCE)
        if path.name != "server.py"
        for where, name in imported(path)
        if name == "mailtrap.parts"
    ]
    assert wrong == []


def test_the_plugin_sees_the_public_names_only() -> None:
    wrong = [
        f"{where}: {name}"
        for path in modules(PLUGIN)
        for where, name in imported(path, PLUGIN)
        if name.split(".")[0] == "mailtrap" and name not in ("mailtrap", "mailtrap.config", "mailtrap.errors")
    ]
    assert wrong == []


@pytest.mark.parametrize("root", [SOURCE / "mailtrap/web", PLUGIN], ids=["web", "pytest_mailtrap"])
def test_nothing_private_of_the_server_is_used(root: Path) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for path in modules(root)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and ast.unparse(node.value) not in ("self", "cls", "super()")
    ]
    assert wrong == []


def test_aiosmtpd_is_imported_by_one_module() -> None:
    users = {path for path in modules(SOURCE) for _, name in imported(path) if name.split(".")[0] == "aiosmtpd"}
    assert users == {EDGE}
