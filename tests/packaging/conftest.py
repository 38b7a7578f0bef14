"""The wheel, built once for all tests of a run."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheel_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of the wheel. Workers of pytest-xdist share it: the first builds, the others wait."""
    pytest.importorskip("build")
    folder = tmp_path_factory.getbasetemp()
    if folder.name.startswith("popen-"):
        folder = folder.parent
    dist = folder / "dist"
    with _locked(folder / "dist.lock"):
        if not dist.exists():
            _build(folder / "unfinished")
            (folder / "unfinished").rename(dist)
    (path,) = dist.glob("*.whl")
    return path


def _build(target: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(ROOT)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one process at a time is inside; the lock ends with its holder."""
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
