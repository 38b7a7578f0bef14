"""Addresses as they are compared, and as they stood."""

from functools import lru_cache
from typing import Self


class Address(str):
    """An addr-spec that compares as a ``str`` does; the domain is lower-case and in U-form.

    ``Address("Bob@EXAMPLE.com")`` equals ``"Bob@example.com"``. The null reverse-path is ``""``.

    Args:
        text: the addr-spec, without angle brackets.
        name: the display name, decoded.
        original: as it stood in the mail or the command; ``text`` where not given.
    """

    __slots__ = ("_account", "_domain", "name", "original")

    name: str
    original: str
    _account: str
    _domain: str

    def __new__(cls, text: str = "", name: str = "", original: str | None = None) -> Self:
        self = super().__new__(cls, normalize(text))
        self.name = name
        self.original = text if original is None else original
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, str]]:  # copy and pickle
        return type(self), (str(self), self.name, self.original)

    @property
    def local(self) -> str:
        """What stands before the last ``@``, as it was written (quotes included)."""
        return self.rpartition("@")[0] if "@" in self else str(self)

    @property
    def domain(self) -> str:
        """What stands behind the last ``@``; ``""`` where there is none."""
        try:
            return self._domain
        except AttributeError:  # asked for the first time
            self._domain = self.rpartition("@")[2] if "@" in self else ""
            return self._domain

    @property
    def account(self) -> str:
        """The form accounts are kept under: lower-case, without quotes and ``+tag`` (``bob+news@x`` is ``bob@x``)."""
        try:
            return self._account
        except AttributeError:
            self._account = self._account_form()
            return self._account

    def _account_form(self) -> str:
        local, domain = self.local, self.domain
        if len(local) > 1 and local[0] == local[-1] == '"':
            local = local[1:-1].replace("\\", "")
        base = local.partition("+")[0] or local
        return f"{base.lower()}@{domain}" if domain else base.lower()


@lru_cache(maxsize=4096)
def normalize(text: str) -> str:
    """An addr-spec with its domain in lower case and U-form; the local part is left alone."""
    local, at, domain = text.rpartition("@")
    if not at:
        return text
    domain = domain.lower().removesuffix(".") if not domain.startswith("[") else domain.lower()
    if "xn--" in domain and len(domain) <= 255:
        try:
            domain = domain.encode("ascii").decode("idna")
        except UnicodeError:
            return f"{local}@{domain}"  # not IDNA: kept as it came
    return f"{local}@{domain}"
