"""What the documents name is there: files, links, settings, options, commands, listeners, hooks, attributes."""

import importlib.util
import re

import click
import pytest

import pytest_mailtrap
from mailtrap import MailServer, config
from mailtrap.cli import main
from mailtrap.hookspecs import Specifications
from pytest_mailtrap.options import CHOICES, FLAGS

from .conftest import ROOT, SPAN, Document, document

PATHS = [
    "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SPECS.md", "docs/reference/fixtures.md",
    "docs/reference/hooks.md", "docs/reference/settings.md", "docs/tutorial.md",
    *(f"docs/how-to/{path.name}" for path in sorted((ROOT / "docs/how-to").glob("*.md"))),
]  # fmt: skip
DOCUMENTS = [pytest.param(document(path), id=path) for path in PATHS]
every_document = pytest.mark.parametrize("document", DOCUMENTS)

SETTINGS = {*config.BOOT, *config.LIVE}
HOOKS = {name for name in vars(Specifications) if not name.startswith("_")}
FIXTURES = {"mailtrap_server", "mailtrap_config", "mailtrap_env", "mailtrap_django", "mailtrap_dns"}
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
FILE = re.compile(r"[\w./-]+\.(?:py|pyi|md|toml|yaml|sh|html)|[\w.-]+(?:/[\w.-]+)*/")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
KEYWORD = re.compile(r"\b([a-z_]+)=")
WORD = re.compile(r"[A-Za-z_][\w.]*")


def known_options() -> set[str]:
    commands = [main, *main.commands.values()]
    found = {name for command in commands for option in command.params for name in option.opts}
    return found | {
        "--mailtrap-timeout",
        "--mailtrap-artifacts",
        "--mailtrap-output",
        *(f"--mailtrap-{name}" for name in ("url", *CHOICES, *FLAGS)),
        "--strict",
        "--help",
        "--no-deps",
        "--wait",
    }


@every_document
def test_links(document: Document) -> None:
    here = (ROOT / document.path).parent
    targets = [target for target in LINK.findall(document.prose) if "://" not in target]
    assert [target for target in targets if not (here / target).exists()] == []


@every_document
def test_files(document: Document) -> None:
    places = (ROOT, ROOT / "src", ROOT / "src/mailtrap", ROOT / "tests", (ROOT / document.path).parent)
    named = [span.partition("::")[0] for span in document.spans]
    files = [name for name in named if FILE.fullmatch(name) and "<" not in name]
    missing = [name for name in files if not any((place / name).exists() for place in places)]
    # made by a command; written by the reader; routes
    made = ("dist/", "conftest.py", "test-results/", "signup.py")
    assert [name for name in missing if name not in made and not name.startswith("/")] == []


@every_document
def test_make_targets(document: Document) -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    blocks = "\n".join([*document.blocks("sh"), *re.findall(r"^ {4}(make .*)$", document.text, re.MULTILINE)])
    named = re.findall(r"^make ([a-z ]+?)(?:$|  | [A-Z#])", "\n".join([*document.spans, blocks]), re.MULTILINE)
    assert {word for words in named for word in words.split()} <= targets


@every_document
def test_commands_and_options(document: Document) -> None:
    for span in [*document.spans, *document.blocks("sh")]:
        for command in re.findall(r"(?<![\w`-])mailtrap ([a-z]+)", span):
            assert command in main.commands, span
        assert set(OPTION.findall(span)) <= known_options(), span


@every_document
def test_settings(document: Document) -> None:
    """``routing="strict"`` and ``MAILTRAP_ROUTING`` are settings, or arguments of a call, a hook or a URL."""
    arguments = {
        "code", "text", "raw", "envelope", "recipient", "times", "filename", "timeout", "plugins", "since", "header",
        "where", "to", "recipients", "compress",
    }  # fmt: skip
    for span in document.spans:
        if "(" not in span:
            assert set(KEYWORD.findall(span)) <= SETTINGS | arguments, span
        for name in re.findall(r"\bMAILTRAP_([A-Z]\w*)", span):
            assert name.lower() in SETTINGS | {"url", "config", "ports_file", "log_format", "smtp_host"}, span
        for name in re.findall(r"\bMailServer\(([a-z_]+)=", span):
            assert name in SETTINGS, span


@every_document
def test_hooks_fixtures_and_ini_names(document: Document) -> None:
    ini = {f"mailtrap_{name}" for name in (*SETTINGS, "url", "strict")}
    named = set(re.findall(r"\bmailtrap_[a-z_]+\b", document.text)) - {"mailtrap_"}
    assert named <= HOOKS | FIXTURES | ini


@every_document
def test_attributes_of_the_server(document: Document) -> None:
    found = set(re.findall(r"\b(?:mailserver|server)\.([a-z_]\w*)", document.text)) - {"py"}
    assert [name for name in found if not hasattr(MailServer, name)] == []


def test_the_listeners_of_the_readme(readme: Document) -> None:
    table = re.search(r"^(\| smtp \|.*\n)\|[-|]+\n(.*\n)", readme.text, re.MULTILINE)
    assert table is not None
    names, ports = ([cell.strip() for cell in line.strip("|\n").split("|")] for line in table.groups())
    ports_of = {name: setting for name, setting in config.BOOT.items() if name.endswith("_port")}
    serve = {name.removesuffix("_port"): setting.metadata["serve"] for name, setting in ports_of.items()}
    assert dict(zip(names, map(int, ports), strict=True)) == serve


def test_identifiers_of_the_architecture() -> None:
    """Names of classes, functions and steps are words of the code still."""
    code = "\n".join(
        path.read_text("utf-8") for root in ("src", "pytest_plugin", "docs") for path in (ROOT / root).rglob("*.py")
    )
    words = {*re.findall(r"\w+", code), "pytest_mailtrap"}  # a package
    spans = [span.partition("(")[0] for span in SPAN.findall(document("ARCHITECTURE.md").prose)]
    named = {span.rpartition(".")[2] for span in spans if WORD.fullmatch(span) and not FILE.fullmatch(span)}
    assert len(named) > 30
    assert named - words == set()


def test_the_layers_of_the_architecture() -> None:
    """The packages in its table are there."""
    table = [line for line in document("ARCHITECTURE.md").text.splitlines() if line.startswith("| `")]
    packages = {name for line in table for name in SPAN.findall(line.split("|")[1])}
    assert {name for name in packages if not _is_there(name)} == set()
    assert len(packages) >= 10


def _is_there(name: str) -> bool:
    if name.endswith(".py"):
        return (ROOT / "src/mailtrap" / name).is_file()
    return importlib.util.find_spec(f"mailtrap.{name}") is not None or importlib.util.find_spec(name) is not None


def test_what_the_readme_imports(readme: Document) -> None:
    for names in re.findall(r"from pytest_mailtrap import (.+)", readme.text):
        for name in names.split(", "):
            assert hasattr(pytest_mailtrap, name)


def test_options_are_found() -> None:
    """The tests above would see one that is not there."""
    assert isinstance(main, click.Group)
    assert "--ports-file" in known_options()
    assert "--routting" not in known_options()
    assert OPTION.findall("mailtrap serve --smtp-port 25, `--store`, a--b") == ["--smtp-port", "--store"]
    assert FILE.fullmatch("net/driver.py")
    assert FILE.fullmatch("imap/commands/")
    assert not FILE.fullmatch("Store.submit")
