"""A store by its URL."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from ..errors import ConfigError
from .base import Store

Factory = Callable[[str], Store]  # takes the whole URL

NO_SCHEMES: Final[Mapping[str, Factory]] = MappingProxyType({})


def open_store(url: str, extra: Mapping[str, Factory] = NO_SCHEMES) -> Store:
    """Open the store that a URL names: ``memory``, ``sqlite:///relative.db``, ``sqlite:////absolute.db``,
    ``postgresql://user@host/database``.

    A path of SQLite is written as it is, without ``%``-signs for anything. Behind its last ``?`` are options:
    ``sqlite:///mail.db?compress=zstd``. A path that has a ``?`` itself ends with another.

    Args:
        url: a scheme, and what it needs behind ``:``.
        extra: more schemes, each with what opens it; they may take the place of ours.

    Raises:
        ConfigError: no such scheme, or a URL that its scheme cannot use.
        StoreError: the store is there and cannot be used.
    """
    factories = {"memory": _memory, "sqlite": _sqlite, "postgresql": _postgres, "postgres": _postgres, **extra}
    scheme = url.partition(":")[0].lower()
    factory = factories.get(scheme)
    if factory is None:
        known = ", ".join(sorted(factories))
        raise ConfigError(f"store {url!r}: there is no such kind of store; known are {known}")
    return factory(url)


def _memory(url: str) -> Store:
    if url.lower() not in ("memory", "memory:", "memory://"):
        raise ConfigError(f"store {url!r}: memory takes nothing behind it")
    from .memory import MemoryStore

    return MemoryStore()


def _sqlite(url: str) -> Store:
    path = url.partition(":")[2]
    options = ""
    if "?" in path:
        path, _, options = path.rpartition("?")
    if not path.startswith("///") or path[3:] in ("", ":memory:"):
        raise ConfigError(f"store {url!r}: a file is written sqlite:///relative.db or sqlite:////absolute.db")
    if options not in ("", "compress=zstd"):
        raise ConfigError(
            f"store {url!r}: behind ? there may be compress=zstd; "
            f"a file whose name has a ? in it is written with one more at the end, sqlite://{path}?{options}?"
        )
    from .sqlite import SQLiteStore

    return SQLiteStore(path[3:], compress=bool(options))


def _postgres(url: str) -> Store:
    try:
        from .postgres import PostgresStore
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise ConfigError(
            "store postgresql: psycopg is not installed; it comes with pip install 'pytest-mailtrap[postgres]'"
        ) from error
    return PostgresStore(url)
