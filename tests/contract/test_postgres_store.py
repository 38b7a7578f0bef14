"""The store in PostgreSQL keeps the contract, and keeps mail."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailtrap.store.base import Store
from mailtrap.store.contract import PersistentStoreContract
from mailtrap.store.postgres import PostgresStore


class TestPostgresStore(PersistentStoreContract):
    examples = 5

    @pytest.fixture(autouse=True)
    def databases(self, postgres) -> Iterator[None]:
        self.server = postgres
        self.made: dict[Path, tuple[str, PostgresStore]] = {}
        yield
        for name, store in self.made.values():
            store.close()
            postgres.free.append(name)

    def make(self, path: Path) -> Store:
        if path not in self.made:
            for other, (name, store) in list(self.made.items()):
                if store._writer._closing:  # a test that closed a store and made another elsewhere is done with it
                    del self.made[other]
                    self.server.free.append(name)
        name = self.made[path][0] if path in self.made else self.server.take()
        store = PostgresStore(self.server.url(name))
        self.made[path] = name, store
        return store
