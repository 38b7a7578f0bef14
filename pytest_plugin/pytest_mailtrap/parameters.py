"""Fixtures of somebody's own with parameters, that stand behind ``mailserver``.

It asks for them by name when a test runs, so pytest does not see at collection that there are several.
"""

from collections.abc import Sequence
from typing import Any, Final

import pytest

BEHIND: Final = frozenset(("mailtrap_server", "mailtrap_config"))  # what mailserver asks for


def definitions(config: pytest.Config, name: str, node: pytest.Item | pytest.Collector) -> Sequence[Any]:
    """The definitions of a fixture that a test sees, that of a plugin first; none where it cannot be known.

    What gives them is no documented part of pytest: another version may not have it.
    """
    manager: Any = config.pluginmanager.get_plugin("funcmanage")
    for where in (node, node.nodeid):  # the id: pytest 8.0
        try:
            return manager.getfixturedefs(name, where) or ()
        except (AttributeError, TypeError):
            continue
    return ()


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Let a test that uses ``mailserver`` run once for each parameter of what is behind it."""
    for name in sorted(BEHIND):
        if name in metafunc.fixturenames:
            continue  # pytest has done it
        found = definitions(metafunc.config, name, metafunc.definition)
        if found and found[-1].params is not None:
            metafunc.fixturenames.append(name)
            metafunc.parametrize(name, found[-1].params, indirect=True, ids=found[-1].ids, scope=found[-1].scope)


def names_what_is_behind(item: Any) -> bool:
    """Whether a test names, or has a parameter of, what is behind ``mailserver``."""
    named = getattr(item, "fixturenames", ())
    call = getattr(item, "callspec", None)
    return not (BEHIND.isdisjoint(named) and (call is None or BEHIND.isdisjoint(call.params)))
