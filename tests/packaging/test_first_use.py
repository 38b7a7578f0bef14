"""The first minutes of somebody new: install the wheel, write the README's test, run it.

Nothing is downloaded. The environment is empty but for the wheel and links to what is declared as its dependencies, so
an import of something undeclared fails here. pytest stands beside it, for the tests that use it.
"""

import os
import re
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import mailtrap
from mailtrap import config

ROOT = Path(__file__).parents[2]


class Environment:
    """A virtual environment."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / ("Scripts" if os.name == "nt" else "bin")
        kept = ("PATH", "SYSTEMROOT", "LANG", "TMPDIR")
        self._clean = {name: os.environ[name] for name in kept if name in os.environ} | {"HOME": str(folder)}
        venv.create(folder, symlinks=os.name != "nt")
        self.packages = Path(self.run("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())

    def run(self, program: str, *arguments: str, folder: Path | None = None, beside: Path | None = None) -> str:
        """What it prints; its exit code has to be 0.

        Args:
            folder: where it runs.
            beside: a folder of further packages.
        """
        path = {} if beside is None else {"PYTHONPATH": str(beside)}
        done = subprocess.run(
            [str(self.bin / program), *arguments], cwd=folder or self.bin, env=self._clean | path,
            capture_output=True, text=True, timeout=50, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def install(self, wheel: Path) -> None:
        """The wheel, by pip, without its dependencies."""
        pytest.importorskip("pip", reason="pip installs the wheel")
        subprocess.run(
            [sys.executable, "-m", "pip", "--python", str(self.bin / "python"), "--disable-pip-version-check",
             "install", "--quiet", "--no-deps", "--no-index", "--no-compile", str(wheel)],
            check=True, timeout=50,
        )  # fmt: skip


def link(folder: Path, *requirements: str) -> None:
    """Put there what these need, and what that needs, out of the environment that runs the tests."""
    for name in needed(requirements):
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(distribution.locate_file(top))))


def needed(requirements: tuple[str, ...]) -> set[str]:
    """Names of distributions: these, and all that they need here."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        marker = requirement.marker
        if requirement.name in found or (marker is not None and not marker.evaluate({"extra": ""})):
            continue
        found.add(requirement.name)
        waiting += map(Requirement, metadata.requires(requirement.name) or ())
    return found


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, wheel_file: Path) -> Environment:
    """The wheel and its dependencies."""
    made = Environment(tmp_path_factory.mktemp("environment"))
    made.install(wheel_file)
    link(made.packages, *[text for text in metadata.requires("pytest-mailtrap") or () if "extra ==" not in text])
    return made


@pytest.fixture(scope="module")
def pytest_beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pytest and what it needs."""
    folder = tmp_path_factory.mktemp("pytest")
    link(folder, "pytest")
    return folder


def test_the_test_of_the_readme_passes_in_an_empty_folder(
    environment: Environment, pytest_beside: Path, tmp_path: Path
) -> None:
    code = re.search(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert code is not None
    (tmp_path / "test_welcome.py").write_text(code[1], "utf-8")
    said = environment.run("python", "-m", "pytest", "-W", "error", folder=tmp_path, beside=pytest_beside)
    assert "1 passed in" in said


def test_the_plugin_is_that_of_the_wheel(environment: Environment, pytest_beside: Path, tmp_path: Path) -> None:
    said = environment.run("python", "-m", "pytest", "--fixtures", folder=tmp_path, beside=pytest_beside)
    assert re.search(r"^mailserver -- .*site-packages/pytest_mailtrap/fixtures.py", said, re.MULTILINE)
    assert str(ROOT) not in said


def test_the_command(environment: Environment) -> None:
    said = environment.run("mailtrap", "--version")
    assert said == f"mailtrap (pytest-mailtrap), version {mailtrap.__version__}\n"


def test_the_module_as_a_command(environment: Environment) -> None:
    lines = environment.run("python", "-m", "mailtrap", "config").splitlines()
    names = [line.partition(" = ")[0] for line in lines]
    assert names == [name for name in (*config.BOOT, *config.LIVE) if name not in ("smtp_handler", "plugins")]
    assert all(line.endswith("  (default)") for line in lines)


def test_a_server_without_pytest(environment: Environment) -> None:
    said = environment.run("python", "-I", "-W", "error", "-c", SCRIPT)
    assert said.split() == ["Hello", "Hello", "True", "False"]


SCRIPT = """
import importlib.util, smtplib, urllib.request, json, ssl
from mailtrap import MailServer

with MailServer() as server:
    with smtplib.SMTP_SSL(server.smtps.host, server.smtps.port, context=server.ssl_context(), timeout=10) as smtp:
        smtp.sendmail("a@x.example", ["b@x.example"], b"Subject: Hello\\r\\n\\r\\n")
    print(server.message(to=[], recipients="b@x.example").subject)
    with urllib.request.urlopen(server.http.url + "/api/v1/messages", timeout=10) as answer:
        print(json.load(answer)["messages"][0]["Subject"])
    with urllib.request.urlopen(server.http.url + "/", timeout=10) as answer:
        print(b"</html>" in answer.read())
print(importlib.util.find_spec("pytest") is not None)
"""
