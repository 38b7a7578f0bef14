"""The documents, and what stands in them."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

# Modules are kept by in-process runs: pytester forgets those that a run imported, and classes would be there twice.
import mailtrap.server  # noqa: F401
import pytest_mailtrap.aio
import pytest_mailtrap.expectations
import pytest_mailtrap.reporting  # noqa: F401
from mailtrap.wire.steps import Delay

# An example needs no plugin but ours.
ALONE = [
    f"-pno:{name}" for name in ("anyio", "asyncio", "cacheprovider", "django", "html", "randomly", "syrupy")
]  # fmt: skip
ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")


class Document(NamedTuple):
    """A Markdown file."""

    path: str
    text: str

    def blocks(self, language: str) -> list[str]:
        """Its code blocks of a language."""
        return [code for found, code in FENCE.findall(self.text) if found == language]

    @property
    def prose(self) -> str:
        """The text without code blocks."""
        return FENCE.sub("", self.text)

    @property
    def spans(self) -> list[str]:
        """What stands in backticks in the text, an ellipsis apart."""
        return [span for span in SPAN.findall(self.prose) if "..." not in span]


def document(path: str) -> Document:
    """The document at this path below the project's root."""
    return Document(path, (ROOT / path).read_text("utf-8"))


@pytest.fixture(scope="session")
def readme() -> Document:
    return document("README.md")


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of each delay that a connection is asked to make; none is made."""
    asked: list[float] = []
    seconds = vars(Delay)["seconds"]

    def none(step: Delay) -> float:
        asked.append(seconds.__get__(step))
        return 0.0

    monkeypatch.setattr(Delay, "seconds", property(none, seconds.__set__))
    return asked
