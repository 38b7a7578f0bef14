"""Each example as its reader would run it: copied to a folder of his own, with pytest in a process of its own.

The documents show these files as they are (``tests/docs/test_how_to.py``); ``make types`` checks
their types.
"""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from mailtrap import MailServer

HERE = Path(__file__).parent
EXAMPLES = sorted(path.name for path in HERE.glob("*_*.py") if not path.name.startswith("test_"))
NEEDS = {
    "read_aioimaplib.py": "aioimaplib", "read_imap_tools.py": "imap_tools", "read_imapclient.py": "imapclient",
    "send_aiosmtplib.py": "aiosmtplib", "send_celery.py": "celery", "send_django.py": "django",
    "send_fastapi_mail.py": "fastapi_mail", "send_flask_mail.py": "flask_mail",
    "send_flask_mailman.py": "flask_mailman", "send_yagmail.py": "yagmail",
}  # fmt: skip
INI = """
[pytest]
asyncio_default_fixture_loop_scope = function
"""


def test_all_are_here() -> None:
    assert len(EXAMPLES) >= 13
    assert set(NEEDS) <= set(EXAMPLES)


@pytest.mark.timeout(120)  # celery's worker takes its time to start on a busy machine
@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name: str, tmp_path: Path, needed: None) -> None:
    (tmp_path / "pytest.ini").write_text(INI, "utf-8")
    (tmp_path / f"test_{name}").write_bytes((HERE / name).read_bytes())
    run(tmp_path)


def test_the_tutorial(tmp_path: Path) -> None:
    for file in (HERE / "tutorial").glob("*.py"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "pytest.ini").write_text(INI, "utf-8")
    run(tmp_path)


def test_the_same_on_a_server_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_bytes((HERE / "look_at_a_sidecar.py").read_bytes())
    with MailServer() as server:
        run(tmp_path, "-p", "no:asyncio", "--mailtrap-url", server.http.url)
        assert [message.subject for message in server.page(all_scopes=True)] == ["Reset"]


def run(folder: Path, *options: str) -> None:
    """Run pytest in a folder; everything has to pass."""
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"=+ \d+ passed in ", done.stdout), done.stdout


@pytest.fixture
def needed(name: str, absent: Callable[[str], NoReturn]) -> None:
    """Skip, where skips are allowed, what is not installed."""
    if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
        absent(f"{NEEDS[name]} is not installed")
