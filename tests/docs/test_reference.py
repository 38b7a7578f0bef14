"""docs/reference/ says what is there, all of it and nothing else."""

import ast
import importlib.util
import inspect
import re

import pytest

import pytest_mailtrap.plugin
from mailtrap import hookspecs
from mailtrap.errors import ServerError
from pytest_mailtrap import Expectation, LateMailWarning
from pytest_mailtrap.options import INI

from .conftest import ALONE, ROOT, document

HOOKS = document("docs/reference/hooks.md")
FIXTURES = document("docs/reference/fixtures.md")


def first_cells(heading: str) -> dict[str, list[str]]:
    """The table below a heading of fixtures.md: what stands in backticks in its first column, and all cells."""
    section = FIXTURES.text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:3] == "| `"]
    assert rows, heading
    return {cells[0].strip("`"): cells for cells in rows}


# ---------------------------------------------------------------- settings


def test_what_is_written_by_a_script_is_as_the_code_says() -> None:
    path = ROOT / "docs/generate.py"
    spec = importlib.util.spec_from_file_location("docs_generate", path)
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    texts = dict(generate.written_anew())
    assert path.parent.joinpath("reference/settings.md") in texts
    assert len(texts) > 5
    for written, text in texts.items():
        assert written.read_text("utf-8") == text, "run: python docs/generate.py"


# ---------------------------------------------------------------- hooks


def unquoted(node: ast.expr | None) -> str:
    """An annotation as text, whether it stood in quotes or not."""
    if node is None:
        return ""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return ast.unparse(ast.parse(node.value, mode="eval"))
    return ast.unparse(node)


def signature(function: ast.FunctionDef) -> tuple[list[tuple[str, str]], str]:
    """Names and annotations of the arguments, and of what is returned. The record of a refusal is a Refusal outside."""
    arguments = [(argument.arg, unquoted(argument.annotation)) for argument in function.args.args]
    return [(name, text.replace("RefusalRecord", "Refusal")) for name, text in arguments if name != "self"], unquoted(
        function.returns
    )


def specified() -> dict[str, ast.FunctionDef]:
    tree = ast.parse(inspect.getsource(hookspecs))
    (owner,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Specifications"]
    return {node.name: node for node in owner.body if isinstance(node, ast.FunctionDef)}


def described() -> dict[str, ast.FunctionDef]:
    found = {}
    for name, code in re.findall(r"^## (\w+)\n\n```python\n(.*?)```\n", HOOKS.text, re.MULTILINE | re.DOTALL):
        (function,) = ast.parse(f"{code.rstrip()}:\n    ...").body
        assert isinstance(function, ast.FunctionDef)
        assert function.name == name
        found[name] = function
    return found


def test_every_hook_is_described_with_its_exact_signature() -> None:
    hooks, texts = specified(), described()
    assert list(texts) == list(hooks)
    assert {name: signature(texts[name]) for name in hooks} == {name: signature(hooks[name]) for name in hooks}


def test_every_hook_has_a_test() -> None:
    tree = ast.parse((ROOT / "tests/unit/test_hooks.py").read_text("utf-8"))
    tests = {node.name: ast.unparse(node) for node in tree.body if isinstance(node, ast.FunctionDef)}
    for name in specified():
        assert f"def {name}(self" in tests[f"test_{name}"], "implements the hook"
        assert "with MailServer(" in tests[f"test_{name}"] or ".start()" in tests[f"test_{name}"]


def test_the_example_of_a_plugin_works() -> None:
    (code,) = [block for block in HOOKS.blocks("python") if "@hookimpl" in block]
    names: dict[str, object] = {}
    exec(compile(code, "hooks.md", "exec"), names)
    server = names["server"]
    with server:
        server.send(b"Subject: Offer\r\n\r\n", recipients="bob@example.com")
        with pytest.raises(Exception, match="No invoices, please"):
            server.send(b"Subject: Invoice\r\n\r\n", recipients="bob@example.com")
        assert [message.subject for message in server.messages] == ["Offer"]


# ---------------------------------------------------------------- the plugin


def test_fixtures() -> None:
    found = {
        name: value._fixture_function_marker.scope
        for name, value in vars(pytest_mailtrap.plugin).items()
        if isinstance(value, type(pytest_mailtrap.plugin.mailserver)) and not name.startswith("_")
    }
    assert {name: cells[1] for name, cells in first_cells("Fixtures").items()} == found


def test_options(pytester: pytest.Pytester) -> None:
    parser = pytest.Parser(_ispytest=True)
    pytest_mailtrap.plugin.pytest_addoption(parser)
    names = {name for group in parser._groups for option in group.options for name in option.names()}
    assert set(first_cells("Options")) == names
    assert all(parser._inidict[f"mailtrap_{name}"] for name in INI)


def test_expect() -> None:
    methods = [name for name in vars(Expectation) if name.startswith("to_")]
    assert list(first_cells("expect")) == methods
    waiting = [name for name in methods if "timeout" in inspect.signature(getattr(Expectation, name)).parameters]
    assert waiting == methods[:3]  # "the first three wait"


def test_errors_and_warnings_that_are_named() -> None:
    for name in (ServerError.__name__, LateMailWarning.__name__):
        assert f"`{name}`" in FIXTURES.text


def test_the_example_of_the_marker(pytester: pytest.Pytester) -> None:
    (code,) = FIXTURES.blocks("python")
    pytester.makepyfile(test_it=f"import pytest\n\n{code}")
    pytester.runpytest_inprocess(*ALONE, "-W", "error").assert_outcomes(passed=1)


def test_who_wins() -> None:
    """In this order; the tests of each pair are in tests/plugin/test_settings.py."""
    said = re.search(r"Who wins: (.*)\.", FIXTURES.text)
    assert said is not None
    assert re.findall(r"marker|command line|environment|mailtrap_config|ini file", said[1]) == [
        "marker", "command line", "environment", "mailtrap_config", "ini file",
    ]  # fmt: skip
    tests = (ROOT / "tests/plugin/test_settings.py").read_text("utf-8")
    for winner in ("marker", "command_line", "environment", "fixture", "ini"):
        assert f"def test_{winner}_wins" in tests
