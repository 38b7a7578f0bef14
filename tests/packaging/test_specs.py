"""SPECS.md is true: each RFC cited in the code has a row, and each row that says yes names tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPECS = ROOT / "SPECS.md"
COLUMNS = ["RFC", "Title", "Status", "Modules", "Tests"]
STATUSES = {"yes", "partly", "no", "later"}
CITED = re.compile(r"\bRFCs? ?(\d{3,5})((?:(?:,| and| or) (?:RFC )?\d{4,5}\b(?!\.))*)")


def rows() -> list[dict[str, str]]:
    if not SPECS.exists():
        pytest.fail("SPECS.md is missing")
    found = []
    for line in SPECS.read_text("utf-8").splitlines():
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells == COLUMNS or set("".join(cells)) <= set("-: "):
            continue
        assert len(cells) == len(COLUMNS), line
        found.append(dict(zip(COLUMNS, cells, strict=True)))
    return found


def cited() -> dict[str, str]:
    """RFC number to a place that cites it."""
    found: dict[str, str] = {}
    for root in ("src", "pytest_plugin"):
        for path in sorted((ROOT / root).rglob("*.py")):
            for match in CITED.finditer(path.read_text("utf-8")):
                for number in re.findall(r"\d{3,5}", match.group()):
                    found.setdefault(number, str(path.relative_to(ROOT)))
    return found


def number(row: dict[str, str]) -> str:
    digits = re.search(r"\d+", row["RFC"])
    assert digits is not None, row
    return digits.group()


def exists(test: str) -> bool:
    """Whether ``tests/unit/test_x.py`` or ``tests/unit/test_x.py::test_y`` (or ``::TestZ::test_y``) is there."""
    path, *names = test.split("::")
    file = ROOT / path
    if not names:
        return file.is_file() or (file.is_dir() and any(file.rglob("test_*.py")))
    if not file.is_file():
        return False
    body = ast.parse(file.read_text("utf-8")).body
    for name in names:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name.partition("[")[0]:
                body = node.body
                break
        else:
            return False
    return True


def test_the_table_is_well_formed() -> None:
    table = rows()
    numbers = [number(row) for row in table]
    assert len(numbers) == len(set(numbers)), "an RFC has two rows"
    assert numbers == sorted(numbers, key=int)
    assert {row["Status"] for row in table} <= STATUSES
    assert all(row["Title"] for row in table)


def test_each_cited_rfc_has_a_row() -> None:
    known = {number(row) for row in rows()}
    assert {rfc: place for rfc, place in cited().items() if rfc not in known} == {}


def test_each_yes_names_tests_that_exist() -> None:
    wrong = []
    for row in rows():
        tests = re.findall(r"tests/[^\s`,)]+", row["Tests"])
        if row["Status"] == "yes" and not tests:
            wrong.append(f"RFC {number(row)}: yes without a test")
        wrong += [f"RFC {number(row)}: {test}" for test in tests if not exists(test)]
    assert wrong == []


def test_each_module_named_exists() -> None:
    wrong = [
        f"RFC {number(row)}: {module}"
        for row in rows()
        for module in re.findall(r"[\w/]+\.py\b|\w+(?:/\w+)*/(?=[\s`,)]|$)", row["Modules"])
        if not (ROOT / "src/mailtrap" / module).exists() and not (ROOT / module).exists()
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("RFC 5321, 4.5.2", ["5321"]),
        ("RFC 3501 and 9051", ["3501", "9051"]),
        ("(RFC 9051, 6.4.5; RFC 7162)", ["9051", "7162"]),
        ("RFC 821", ["821"]),
        ("RFC 1939, 3 and 9", ["1939"]),
    ],
)
def test_how_citations_are_found(text: str, numbers: list[str]) -> None:
    found = [n for match in CITED.finditer(text) for n in re.findall(r"\d{3,5}", match.group())]
    assert found == numbers


def test_how_tests_are_looked_up() -> None:
    here = "tests/packaging/test_specs.py"
    assert exists(here)
    assert exists(f"{here}::test_how_tests_are_looked_up")
    assert not exists(f"{here}::test_that_is_not_there")
    assert not exists("tests/packaging/no.py::test_x")
