"""What is wrong with one mail: checks by name, each a function from a message to its findings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final, Literal

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..message.model import Message

Severity = Literal["error", "warning", "info"]

# name -> module here; its function of that name is the check
CHECKS: Final = ("lint", "clients")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found.

    Attributes:
        id: the kind, for ``ignore=``: ``missing-date``.
        severity: ``error`` breaks a MUST, ``warning`` a SHOULD or what readers expect, ``info`` is worth knowing.
        message: a sentence.
        where: in the mail: ``header``, ``line 12``, ``part 1.2``.
        reference: ``RFC 5322, 3.6``.
    """

    id: str
    severity: Severity
    message: str
    where: str
    reference: str

    def __str__(self) -> str:
        return f"{self.severity} {self.id} ({self.where}): {self.message} [{self.reference}]"


def run(message: "Message", names: Iterable[str] = ()) -> Sequence[Finding]:
    """The findings of these checks in order; of all where none is named.

    Raises:
        ConfigError: no such check; the text names those there are.
    """
    wanted = list(names) or list(CHECKS)
    for name in wanted:
        if name not in CHECKS:
            raise ConfigError(f"there is no check {name!r}; there are: {', '.join(CHECKS)}")
    found: list[Finding] = []
    for name in wanted:
        check = getattr(import_module(f".{name}", __name__), name)
        found += check(message)
    return found
