"""The tutorial and the how-tos: all their code is examples that are tested, and every example is shown."""

import re

import pytest

from .conftest import ROOT, document

EXAMPLES = ROOT / "tests/examples"
PATHS = ["docs/tutorial.md", *sorted(f"docs/how-to/{path.name}" for path in (ROOT / "docs/how-to").glob("*.md"))]
SHOWN = re.compile(r"^<!-- (\S+) -->\n```python\n", re.MULTILINE)


@pytest.mark.parametrize("path", PATHS)
def test_all_code_is_an_example(path: str) -> None:
    text = document(path).text
    assert len(SHOWN.findall(text)) == len(re.findall("^```python$", text, re.MULTILINE))


def test_every_example_is_shown_once() -> None:
    shown = [name for path in PATHS for name in SHOWN.findall(document(path).text)]
    files = [path for path in EXAMPLES.rglob("*.py") if path.name not in ("test_examples.py", "conftest.py")]
    assert sorted(shown) == sorted(path.relative_to(ROOT).as_posix() for path in files)
