"""Whether the import name ``mailtrap`` is ours: another distribution installs it too."""

from typing import Final

import pytest

NAME: Final = "pytest-mailtrap"


def require() -> None:
    """Make sure that ``import mailtrap`` finds our package.

    Raises:
        pytest.UsageError: it finds the other distribution's, or none; the text names both.
    """
    __tracebackhide__ = True
    import mailtrap

    if getattr(mailtrap, "__distribution__", None) != NAME:
        place = getattr(mailtrap, "__file__", None) or list(mailtrap.__path__)
        raise pytest.UsageError(
            f"`import mailtrap` finds {place}, which is not of "
            f"the distribution {NAME!r} (a mail server for tests) but of the distribution 'mailtrap' (the mailtrap.io "
            f"API client) or another one. Both install a package of this name, so they cannot be in one environment: "
            f"uninstall 'mailtrap' and install {NAME!r} anew, or use two environments."
        )
