"""The wheel, opened: what must be in it, and what must not."""

import configparser
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"mailtrap", "pytest_mailtrap"}


@pytest.fixture
def wheel(wheel_file: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(wheel_file) as archive:
        yield archive


def dist_info(wheel: zipfile.ZipFile, name: str) -> str:
    (found,) = [path for path in wheel.namelist() if path.endswith(f".dist-info/{name}")]
    return wheel.read(found).decode()


def test_every_source_file_is_in_it(wheel: zipfile.ZipFile) -> None:
    expected = {
        path.relative_to(root).as_posix()
        for root in (ROOT / "src", ROOT / "pytest_plugin")
        for path in root.rglob("*")
        if path.is_file() and path.relative_to(root).parts[0] in PACKAGES and "__pycache__" not in path.parts
    }
    assert expected <= set(wheel.namelist())
    assert {"mailtrap/py.typed", "pytest_mailtrap/py.typed", "pytest_mailtrap/plugin.py"} <= expected
    assert any(name.startswith("mailtrap/web/") and name.endswith(".html") for name in expected)


def test_nothing_else_is_in_it(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    assert not [name for name in wheel.namelist() if name.endswith(".pyc") or "/tests/" in name]


def test_entry_points(wheel: zipfile.ZipFile) -> None:
    entries = configparser.ConfigParser()
    entries.read_string(dist_info(wheel, "entry_points.txt"))
    assert dict(entries["pytest11"]) == {"mailtrap": "pytest_mailtrap.plugin"}
    assert dict(entries["console_scripts"]) == {"mailtrap": "mailtrap.cli:main"}


def test_metadata(wheel: zipfile.ZipFile) -> None:
    import mailtrap

    metadata = HeaderParser().parsestr(dist_info(wheel, "METADATA"))
    assert metadata["Name"] == mailtrap.__distribution__ == "pytest-mailtrap"
    assert metadata["Version"] == mailtrap.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    plain = {need.split(">")[0] for need in metadata.get_all("Requires-Dist") if "extra ==" not in need}
    assert plain == {"aiosmtpd", "click", "flask", "pluggy", "trustme"}
