from pathlib import Path

import pytest


@pytest.fixture
def eml_files() -> list[Path]:
    return sorted((Path(__file__).parents[2] / "data").glob("*.eml"))
