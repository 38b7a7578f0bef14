"""A DNS zone that is only a fake: for checks that look something up, so that no test asks the real DNS."""

import base64
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from mailtrap import ConfigError

LOOKUP_TYPES: Final = ("A", "AAAA", "CNAME", "MX", "PTR", "TXT")
_CHAIN: Final = 8  # CNAMEs that are followed
RSA_BITS: Final = 1024  # of a key that is made for a test: small, because it is made in a test


class Zone:
    """Records by name and type. Names are compared without case and without the dot at their end.

    As a function it answers as the DNS functions of dkimpy and pyspf's callers do: the first TXT record of a name.

    Attributes:
        asked: the questions so far, each a name and a type.
    """

    current: ClassVar["Zone | None"] = None  # of the test that runs

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], list[str]] = {}
        self.asked: list[tuple[str, str]] = []

    def add(self, name: str, kind: str, *values: str) -> None:
        """Add records of one type: ``A AAAA CNAME MX PTR TXT``.

        Raises:
            ConfigError: another type.
        """
        if kind.upper() not in LOOKUP_TYPES:
            raise ConfigError(f"records are of type {', '.join(LOOKUP_TYPES)}, not {kind!r}")
        self._records.setdefault((_plain(name), kind.upper()), []).extend(values)

    def txt(self, name: str, *values: str) -> None:
        """Add TXT records, each whole: it is cut into strings of 255 octets by nobody here."""
        self.add(name, "TXT", *values)

    def mx(self, name: str, host: str, preference: int = 10) -> None:
        """Add an MX record (RFC 5321, 5.1)."""
        self.add(name, "MX", f"{preference} {host}")

    def remove(self, name: str, kind: str = "TXT") -> None:
        """Take the records of a type away. Nothing happens where there is none."""
        self._records.pop((_plain(name), kind.upper()), None)

    def lookup(self, name: str, kind: str = "TXT") -> list[str]:
        """The records of a name, by way of CNAMEs; empty where there is none."""
        self.asked.append((_plain(name), kind.upper()))
        wanted = _plain(name)
        for _ in range(_CHAIN):
            if found := self._records.get((wanted, kind.upper())):
                return list(found)
            alias = self._records.get((wanted, "CNAME"))
            if not alias:
                return []
            wanted = _plain(alias[0])
        return []

    def __call__(self, name: str | bytes, timeout: float = 5) -> bytes | None:  # noqa: ARG002  of the form it has
        """The first TXT record of a name, None where there is none."""
        text = name.decode("ascii", "replace") if isinstance(name, bytes) else name
        found = self.lookup(text)
        return found[0].encode() if found else None

    def dkim_key(self, domain: str, selector: str = "mailtrap") -> bytes:
        """Make an RSA key, publish it at ``<selector>._domainkey.<domain>`` (RFC 6376, 3.6.2.1), and give it.

        Returns:
            The private key, PEM (PKCS #1), for whatever signs: the program under test.
        """
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        name = f"{selector}._domainkey.{domain}"
        self.remove(name)
        self.txt(name, f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode('ascii')}")
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )

    def __enter__(self) -> Self:
        self._outer, Zone.current = Zone.current, self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        Zone.current = self._outer


def answering(dns: Any) -> Callable[[str], bytes | None]:
    """What gives the TXT record of a name, out of whatever a test gives as ``dns=``.

    Args:
        dns: a ``Zone``, a mapping of names to records, a function of a name; None is the zone of the running test.

    Raises:
        ConfigError: None, and the test has no zone; or it is nothing of these.
    """
    if dns is None:
        if Zone.current is None:
            raise ConfigError(
                "nobody answers DNS: give dns=, the fixture mailtrap_dns or a mapping of names to records"
            )
        return Zone.current
    if isinstance(dns, Mapping):
        records = {_plain(name): value for name, value in dns.items()}
        return lambda name: _octets(records.get(_plain(name)))
    if callable(dns):
        return lambda name: _octets(dns(name))
    raise ConfigError(f"dns is the fixture mailtrap_dns, a mapping or a function, not {type(dns).__name__}")


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def _octets(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
