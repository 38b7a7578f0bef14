"""The store in memory keeps the contract."""

from pathlib import Path

from mailtrap.store.base import Store
from mailtrap.store.contract import StoreContract
from mailtrap.store.memory import MemoryStore


class TestMemoryStore(StoreContract):
    examples = 80

    def make(self, path: Path) -> Store:
        return MemoryStore()
