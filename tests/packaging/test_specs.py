"""SPECS.md is true: a row for each RFC that the code cites, modules that cite it, tests that exist."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
SPECS = (ROOT / "SPECS.md").read_text("utf-8")
RFC_COLUMNS = ["RFC", "Title", "Status", "Modules", "Tests"]
AIOSMTPD_COLUMNS = ["Dialogue", "aiosmtpd", "here", "Why"]
STATUS = re.compile(r"(yes|no|part)(?:: .+)?")
NOTHING = "-"
CITED = re.compile(r"\bRFCs? (\d{3,5})\b((?:(?:,| and| or) (?:RFC )?\d{4,5}\b(?!\.))*)")
CODE = re.compile(r"`([^`]+)`")


class Row(NamedTuple):
    """One RFC."""

    number: str
    title: str
    status: str
    modules: list[str]
    tests: list[str]


def tables(columns: list[str]) -> list[list[list[str]]]:
    """The tables with these columns: their rows' cells."""
    found: list[list[list[str]]] = []
    reading = False
    for line in SPECS.splitlines():
        if not line.startswith("|"):
            reading = False
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells == columns:
            found.append([])
            reading = True
        elif reading and set("".join(cells)) != {"-"}:
            assert len(cells) == len(columns), line
            found[-1].append(cells)
    return found


def rows() -> list[Row]:
    return [
        Row(number, title, status, [] if modules == NOTHING else modules.split(), CODE.findall(tests))
        for table in tables(RFC_COLUMNS)
        for number, title, status, modules, tests in table
    ]


def citations(text: str) -> list[str]:
    return [number for match in CITED.finditer(text) for number in re.findall(r"\d{3,5}", match.group())]


def sources() -> dict[str, set[str]]:
    """Each module, as the table names it, with the RFCs that it cites."""
    return {
        path.relative_to(ROOT / root).as_posix(): set(citations(path.read_text("utf-8")))
        for root in ("src/mailtrap", "pytest_plugin")
        for path in (ROOT / root).rglob("*.py")
    }


def exists(test: str) -> bool:
    """Whether ``tests/unit/test_x.py``, ``....py::test_y`` or ``....py::TestZ::test_y`` is there."""
    path, *names = test.split("::")
    file = ROOT / path
    if not file.is_file() or not file.name.startswith("test_") or (names and not names[-1].lower().startswith("test")):
        return False
    body = ast.parse(file.read_text("utf-8")).body
    for name in names:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name:
                body = node.body
                break
        else:
            return False
    return True


def test_the_tables_are_well_formed() -> None:
    found = tables(RFC_COLUMNS)
    assert len(found) == 6  # as many as there are groups
    for table in found:
        assert table
        numbers = [int(cells[0]) for cells in table]
        assert numbers == sorted(numbers)
    table = rows()
    assert len({row.number for row in table}) == len(table), "an RFC has two rows"
    assert all(row.title for row in table)
    assert [row for row in table if STATUS.fullmatch(row.status) is None] == []
    assert [row for row in table if row.status == "part"] == [], "part says what is missing"


def test_each_cited_rfc_has_a_row() -> None:
    known = {row.number for row in rows()}
    cited = {rfc: module for module, cites in sources().items() for rfc in cites}
    assert {rfc: module for rfc, module in cited.items() if rfc not in known} == {}


def test_the_modules_named_cite_the_rfc() -> None:
    """A folder ends with a slash, and stands for what is in it."""
    cites = sources()
    wrong = []
    for row in rows():
        for module in row.modules:
            inside = [name for name in cites if name == module or (module.endswith("/") and name.startswith(module))]
            if not any(row.number in cites[name] for name in inside):
                wrong.append(f"RFC {row.number}: {module}")
        if row.status.startswith("no"):
            wrong += [f"RFC {row.number} is cited by {name}" for name in cites if row.number in cites[name]]
        elif not row.modules:
            wrong.append(f"RFC {row.number}: no module")
    assert wrong == []


def test_what_is_claimed_has_tests() -> None:
    wrong = [f"RFC {row.number}" for row in rows() if row.status.startswith("no") == bool(row.tests)]
    assert wrong == []


def test_what_is_offered_is_not_called_missing() -> None:
    """Of what CAPABILITY and EHLO say no row tells that it is not there."""
    from mailtrap.imap.capabilities import TABLE as CAPABILITIES
    from mailtrap.smtp.extensions import TABLE as EXTENSIONS

    status = {row.number: row.status for row in rows()}
    offered = {row.name: row.rfc for row in CAPABILITIES} | {row.keyword: row.source for row in EXTENSIONS}
    texts = {name: status[number] for name, source in offered.items() for number in citations(source)}
    assert len(texts) > 30
    assert {name: text for name, text in texts.items() if text.startswith("no") or "not offered" in text} == {}


def test_each_test_named_exists() -> None:
    named = {text for text in CODE.findall(SPECS) if text.startswith("tests/")}
    named.update(test for row in rows() for test in row.tests)
    assert len(named) > 50
    assert {test for test in named if not exists(test)} == set()


def test_the_differences_from_aiosmtpd_are_those_of_the_differential_test() -> None:
    tree = ast.parse((ROOT / "tests/unit/smtp/test_differential.py").read_text("utf-8"))
    (found,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DIFFERENCES"
    ]
    tested = {(dialogue, *codes[:2]) for (dialogue, _), codes in ast.literal_eval(found).items()}
    (table,) = tables(AIOSMTPD_COLUMNS)
    assert {tuple(cells[:3]) for cells in table} == tested
    assert all(cells[3] for cells in table)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("RFC 5321, 4.5.2", ["5321"]),
        ("RFC 3501 and 9051", ["3501", "9051"]),
        ("(RFC 9051, 6.4.5; RFC 7162)", ["9051", "7162"]),
        ("RFC 821", ["821"]),
        ("RFC 1939, 3 and 9", ["1939"]),
        ("RFC822.SIZE", []),
    ],
)
def test_how_citations_are_found(text: str, numbers: list[str]) -> None:
    assert citations(text) == numbers


def test_how_tests_are_looked_up() -> None:
    here = "tests/packaging/test_specs.py"
    assert exists(here)
    assert exists(f"{here}::test_how_tests_are_looked_up")
    assert exists("tests/contract/test_memory_store.py::TestMemoryStore")
    assert not exists(f"{here}::test_that_is_not_there")
    assert not exists(f"{here}::citations")
    assert not exists("tests/packaging/no.py::test_x")
    assert not exists("tests/packaging")
