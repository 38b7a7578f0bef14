"""Our modules are loaded as they are, not as tests: pytest rewrites the asserts of every module of a distribution that
has a pytest plugin, which here means the whole server, anew at each run where bytecode is not written.
"""

import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any, Final

_OURS: Final = frozenset(("mailtrap", "pytest_mailtrap"))
_TESTS: Final = "mailtrap.store.contract"  # a suite for stores: its asserts shall explain themselves


class PlainImports:
    """A finder that stands before pytest's, for our two packages."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """As the import system would have found it without pytest."""
        if name.partition(".")[0] not in _OURS or name.startswith(_TESTS):
            return None
        return PathFinder.find_spec(name, path, target)


def install() -> None:
    """Put it first, once."""
    if PlainImports not in sys.meta_path:
        sys.meta_path.insert(0, PlainImports)
