"""The store in PostgreSQL keeps the contract, and keeps mail."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailtrap.store.base import Store
from mailtrap.store.contract import SharedStoreContract
from mailtrap.store.postgres import PostgresStore


class TestPostgresStore(SharedStoreContract):
    examples = 4

    @pytest.fixture(autouse=True)
    def databases(self, postgres) -> Iterator[None]:
        self.server = postgres
        self.made: dict[Path, tuple[str, list[PostgresStore]]] = {}
        yield
        for name, stores in self.made.values():
            for store in stores:
                store.close()
            postgres.free.append(name)

    def make(self, path: Path) -> Store:
        if path not in self.made:
            for other, (name, stores) in list(self.made.items()):
                if all(store._pool._closed for store in stores):  # the test went on to another path
                    del self.made[other]
                    self.server.free.append(name)
        name, stores = self.made.setdefault(path, (self.made[path][0] if path in self.made else self.server.take(), []))
        stores.append(PostgresStore(self.server.url(name)))
        return stores[-1]
