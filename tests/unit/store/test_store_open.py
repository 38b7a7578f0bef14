"""Stores by URL."""

import subprocess
import sys
from pathlib import Path

import pytest

from mailtrap.errors import ConfigError, StoreError
from mailtrap.store.base import Store
from mailtrap.store.memory import MemoryStore
from mailtrap.store.open import open_store
from mailtrap.store.sqlite import SQLiteStore


@pytest.mark.parametrize("url", ["memory", "memory:", "memory://", "MEMORY"])
def test_memory(url: str) -> None:
    store = open_store(url)
    assert isinstance(store, MemoryStore)
    assert not store.blocking


def test_an_sqlite_file_by_absolute_and_by_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    relative = open_store("sqlite:///mail.db")
    absolute = open_store(f"sqlite:///{tmp_path / 'mail.db'}")
    assert isinstance(relative, SQLiteStore)
    assert relative.blocking
    assert relative.life() == absolute.life()
    relative.close()
    absolute.close()
    assert (tmp_path / "mail.db").exists()


@pytest.mark.parametrize("url", ["", "mysql://x", "memoryx", "mail.db", "://", "pg://h/d"])
def test_an_unknown_scheme_names_the_known_ones(url: str) -> None:
    with pytest.raises(ConfigError, match="memory, mine, postgres, postgresql, sqlite"):
        open_store(url, {"mine": lambda url: MemoryStore()})


@pytest.mark.parametrize("url", ["memory://x", "memory:x", "sqlite:", "sqlite://", "sqlite:///", "sqlite:x.db",
                                 "sqlite://host/x.db", "sqlite:///:memory:"])  # fmt: skip
def test_a_url_that_its_scheme_cannot_use(url: str) -> None:
    with pytest.raises(ConfigError, match="store"):
        open_store(url)


def test_more_schemes() -> None:
    seen: list[str] = []

    def make(url: str) -> Store:
        seen.append(url)
        return MemoryStore()

    open_store("mine://a/b?c", {"mine": make})
    open_store("Memory:///x", {"memory": make})
    assert seen == ["mine://a/b?c", "Memory:///x"]


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        open_store(f"sqlite:///{tmp_path}")


def test_the_memory_store_needs_no_database() -> None:
    code = (
        "import sys; from mailtrap.store.open import open_store; open_store('memory'); print('sqlite3' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"the store could not be opened: .*failed"):
        open_store(f"postgresql:///mail?host={tmp_path}")


@pytest.mark.parametrize("url", ["postgresql://[::1/d", "postgres://h/d?nonsense=1", "postgresql:d"])
def test_a_url_that_libpq_does_not_understand(url: str) -> None:
    with pytest.raises(ConfigError, match="no URL of a PostgreSQL database"):
        open_store(url)


def test_without_psycopg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("mailtrap.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"pip install 'pytest-mailtrap\[postgres\]'") as raised:
        open_store("postgresql://bob:secret@h/d")
    assert "secret" not in str(raised.value)
