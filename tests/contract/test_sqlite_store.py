"""The store in an SQLite file keeps the contract, and keeps mail."""

from pathlib import Path

import pytest

from mailtrap.store import sqlite_bodies
from mailtrap.store.base import Store
from mailtrap.store.contract import PersistentStoreContract
from mailtrap.store.sqlite import SQLiteStore


class TestSQLiteStore(PersistentStoreContract):
    examples = 25

    def make(self, path: Path) -> Store:
        path.mkdir(parents=True, exist_ok=True)
        return SQLiteStore(path / "mail.db")


class TestCompressed(PersistentStoreContract):
    """The same with all bytes compressed, the few that are in these tests too; the model has few histories to tell."""

    examples = 3

    @pytest.fixture(autouse=True)
    def all_of_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sqlite_bodies, "SMALL", -1)
        monkeypatch.setattr(sqlite_bodies, "worth", lambda before, after: True)

    def make(self, path: Path) -> Store:
        path.mkdir(parents=True, exist_ok=True)
        return SQLiteStore(path / "mail.db", compress=True)
