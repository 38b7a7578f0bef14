"""The implementation has every public name, as ``tests/data/interface.pyi`` says them."""

import ast
import inspect
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import mailtrap
import pytest_mailtrap

STUB = ast.parse((Path(__file__).parents[1] / "data/interface.pyi").read_text("utf-8"))

# Of the plugin rather than of the server.
PLUGIN_NAMES = ("AsyncMailServer", "Expectation", "expect")


def home(name: str) -> object:
    return getattr(pytest_mailtrap if name in PLUGIN_NAMES else mailtrap, name)


CLASSES = [node for node in STUB.body if isinstance(node, ast.ClassDef)]
METHODS = [
    pytest.param(owner.name, node, id=f"{owner.name}.{node.name}")
    for owner in CLASSES
    for node in owner.body
    if isinstance(node, ast.FunctionDef)
]
ATTRIBUTES = [
    pytest.param(owner.name, node.target.id, id=f"{owner.name}.{node.target.id}")
    for owner in CLASSES
    for node in owner.body
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
]
FUNCTIONS = [pytest.param(node, id=node.name) for node in STUB.body if isinstance(node, ast.FunctionDef)]
ALIASES = [ast.unparse(node.targets[0]) for node in STUB.body if isinstance(node, ast.Assign)]


def test_the_stub_was_read() -> None:
    assert len(CLASSES) == 30
    assert len(METHODS) == 75
    assert len(ATTRIBUTES) == 119
    assert ALIASES == ["Origin", "MailLike"]


@pytest.mark.parametrize("node", CLASSES, ids=lambda node: node.name)
def test_class(node: ast.ClassDef) -> None:
    found = home(node.name)
    assert isinstance(found, type)
    for base in node.bases:
        name = ast.unparse(base)
        expected = vars(mailtrap).get(name) or getattr(__import__("builtins"), name, None) or getattr(mailtrap, name)
        assert issubclass(found, expected)


@pytest.mark.parametrize("name", ALIASES)
def test_alias(name: str) -> None:
    assert home(name) is not None


@pytest.mark.parametrize(("owner", "name"), ATTRIBUTES)
def test_attribute(owner: str, name: str) -> None:
    kind = home(owner)
    assert isinstance(kind, type)
    assert hasattr(kind, name) or name in set(_assigned(kind)), f"{owner} has no {name}"


def _assigned(kind: type) -> Iterator[str]:
    """Attributes that instances get: declared, or assigned in a method."""
    for base in kind.__mro__[:-1]:
        yield from vars(base).get("__annotations__", {})
        try:
            tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(base)))
        except (OSError, TypeError):
            continue  # a class of the standard library in C
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                yield node.attr


@pytest.mark.parametrize(("owner", "node"), METHODS)
def test_method(owner: str, node: ast.FunctionDef) -> None:
    kind = home(owner)
    found = inspect.getattr_static(kind, node.name)
    is_classmethod = any(ast.unparse(decorator) == "classmethod" for decorator in node.decorator_list)
    assert isinstance(found, classmethod) == is_classmethod
    assert not isinstance(found, property)
    if isinstance(kind, type) and issubclass(kind, BaseException | tuple):
        return
    _compare(node, getattr(kind, node.name), bound=is_classmethod)
    if node.returns is not None and ast.unparse(node.returns).startswith("Awaitable"):
        assert inspect.iscoroutinefunction(getattr(kind, node.name))


LIFE = {
    "__init__",
    "__enter__",
    "__exit__",
    "connect",
    "start",
    "stop",
}  # of a server; the facade is over one that runs


def test_the_facade_for_coroutines_has_the_names_of_the_server() -> None:
    (server,) = [node for node in CLASSES if node.name == "MailServer"]
    names = {item.name for item in server.body if isinstance(item, ast.FunctionDef)}
    names |= {ast.unparse(item.target) for item in server.body if isinstance(item, ast.AnnAssign)}
    assert {name for name in names - LIFE if not hasattr(home("AsyncMailServer"), name)} == set()


@pytest.mark.parametrize("node", FUNCTIONS)
def test_function(node: ast.FunctionDef) -> None:
    found = home(node.name)
    assert callable(found)
    _compare(node, found, bound=False)


def _compare(node: ast.FunctionDef, function: typing.Any, *, bound: bool) -> None:
    """Every parameter of the stub is there with its name, kind and default; others have defaults."""
    kinds = inspect.Parameter
    actual = dict(inspect.signature(function).parameters)
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    if bound:
        positional, defaults = positional[1:], defaults[1:]
    expected = [(a.arg, kinds.POSITIONAL_OR_KEYWORD, d) for a, d in zip(positional, defaults, strict=True)]
    if arguments.vararg:
        expected.append((arguments.vararg.arg, kinds.VAR_POSITIONAL, None))
    expected += [
        (a.arg, kinds.KEYWORD_ONLY, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    if arguments.kwarg:
        expected.append((arguments.kwarg.arg, kinds.VAR_KEYWORD, None))
    for name, kind, default in expected:
        if name in ("kind", "error", "trace") and node.name == "__exit__":
            continue  # given by position, by Python
        assert name in actual, f"{node.name} has no parameter {name}"
        assert actual[name].kind == kind, f"{node.name}: {name}"
        if default is None:
            assert actual[name].default is kinds.empty, f"{node.name}: {name}"
        else:
            assert actual[name].default == ast.literal_eval(default), f"{node.name}: {name}"
    order = [name for name in actual if name in {e[0] for e in expected}]
    places = [name for name, kind, _ in expected if kind == kinds.POSITIONAL_OR_KEYWORD and name in actual]
    assert [name for name in order if name in places] == places
    if node.name != "__exit__":
        further = [p for name, p in actual.items() if name not in {e[0] for e in expected}]
        assert all(p.default is not kinds.empty for p in further), f"{node.name} asks for more: {further}"
