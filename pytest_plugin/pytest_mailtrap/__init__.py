"""pytest fixtures and expectations for mail. The public names, loaded when they are used.

The fixtures are in the pytest plugin ``mailtrap``; tests import ``expect``, and classes for annotations.

PYTEST_DONT_REWRITE: see ``imports``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from .imports import install

install()  # before anything else of ours is imported

if TYPE_CHECKING:
    from mailtrap import MailServer as MailServer
    from mailtrap import Message as Message

    from .aio import AsyncMailServer as AsyncMailServer
    from .expectations import Expectation as Expectation
    from .expectations import expect as expect
    from .watch import LateMailWarning as LateMailWarning

_HOMES: Final = {
    "AsyncMailServer": ".aio", "Expectation": ".expectations", "LateMailWarning": ".watch", "MailServer": "mailtrap",
    "Message": "mailtrap", "expect": ".expectations",
}  # fmt: skip
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if (home := _HOMES.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .distribution import require

    require()
    value = getattr(import_module(home, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
