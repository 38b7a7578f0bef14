"""The store in an SQLite file keeps the contract, and keeps mail."""

from pathlib import Path

from mailtrap.store.base import Store
from mailtrap.store.contract import PersistentStoreContract
from mailtrap.store.sqlite import SQLiteStore


class TestSQLiteStore(PersistentStoreContract):
    examples = 25

    def make(self, path: Path) -> Store:
        path.mkdir(parents=True, exist_ok=True)
        return SQLiteStore(path / "mail.db")
