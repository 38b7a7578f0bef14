"""The table of SASL mechanisms, and all of them but SCRAM. See ``requests`` for what a mechanism is."""

import hmac
import os
import re
from collections.abc import Callable, Mapping
from typing import Final

from .. import clock
from .requests import (
    AuthenticationFailed,
    BadResponse,
    Challenge,
    CheckPassword,
    CheckToken,
    CheckUser,
    Mechanism,
    NeedNames,
    NeedPassword,
    same_identity,
)
from .requests import name as name_of
from .requests import text as text_of
from .scram import Hash, saslname, scram

Maker = Callable[[bytes | None, str], Mechanism]  # the initial response, decoded; the server's name

_BEARER: Final = re.compile(rb"bearer +([^ ].*)", re.IGNORECASE | re.DOTALL)  # RFC 6750, 2.1


def plain(initial: bytes | None, _hostname: str) -> Mechanism:
    """PLAIN (RFC 4616): ``authzid NUL authcid NUL password``."""
    response = (yield Challenge(b"")) if initial is None else initial
    parts = response.split(b"\0")
    if len(parts) != 3:
        raise BadResponse("PLAIN is authorization identity, NUL, user, NUL, password")
    user = name_of(parts[1])
    same_identity(name_of(parts[0]), user)
    return (yield from _checked(user, text_of(parts[2])))


def login(initial: bytes | None, _hostname: str) -> Mechanism:
    """LOGIN: never a standard; the prompts are those that clients expect."""
    user = name_of((yield Challenge(b"Username:")) if initial is None else initial)
    return (yield from _checked(user, text_of((yield Challenge(b"Password:")))))


def cram_md5(initial: bytes | None, hostname: str) -> Mechanism:
    """CRAM-MD5 (RFC 2195): the user and, in hexadecimal, the MD5 HMAC of the challenge under the password."""
    if initial is not None:
        raise BadResponse("CRAM-MD5 has no initial response")
    challenge = b"<%b.%d@%b>" % (os.urandom(12).hex().encode(), clock.now(), hostname.encode())
    response = yield Challenge(challenge)
    user_octets, space, digest = response.rpartition(b" ")
    if not space:
        raise BadResponse("CRAM-MD5 is the user and the digest")
    user = name_of(user_octets)
    known: str | None = yield NeedPassword(user)
    password = os.urandom(16).hex() if known is None else known
    if not hmac.compare_digest(hmac.digest(password.encode(), challenge, "md5").hex().encode(), digest.lower()):
        raise AuthenticationFailed(user)
    return (yield from _checked(user, password))


def xoauth2(initial: bytes | None, _hostname: str) -> Mechanism:
    """XOAUTH2: ``user=``, ``auth=Bearer``, each ended by %x01; no standard, Google's and Microsoft's clients use it."""
    response = (yield Challenge(b"")) if initial is None else initial
    fields = _fields(response)
    if b"user" not in fields:
        raise BadResponse("XOAUTH2 has user= and auth=Bearer, each ended by %x01")
    user = name_of(fields[b"user"])
    failure = b'{"status":"400","schemes":"Bearer","scope":"mail"}'
    return (yield from _bearer(user, fields, failure))


def oauthbearer(initial: bytes | None, _hostname: str) -> Mechanism:
    """OAUTHBEARER (RFC 7628, 3.1). The user is the authorization identity of the GS2 header."""
    response = (yield Challenge(b"")) if initial is None else initial
    header, separator, rest = response.partition(b"\1")
    parts = header.split(b",")
    if not separator or len(parts) != 3 or parts[0] not in (b"n", b"y") or parts[1][:2] not in (b"", b"a=") or parts[2]:
        raise BadResponse("OAUTHBEARER begins with a GS2 header without channel binding")
    # the identity may be left to the token (3.1); here a token does not say whose it is
    user = saslname(parts[1][2:])
    return (yield from _bearer(user, _fields(rest), b'{"status":"invalid_token","scope":"mail"}'))


def anonymous(initial: bytes | None, _hostname: str) -> Mechanism:
    """ANONYMOUS (RFC 4505): the account ``anonymous``, with the trace information in the place of a password."""
    trace = (yield Challenge(b"")) if initial is None else initial
    return (yield from _checked("anonymous", text_of(trace)))


def external(initial: bytes | None, _hostname: str) -> Mechanism:
    """EXTERNAL (RFC 4422, appendix A): the user is in the client's certificate, and may be said as well.

    Without an identity in the response it is the certificate's first name.
    """
    said = name_of((yield Challenge(b"")) if initial is None else initial)
    names: tuple[str, ...] = yield NeedNames()
    if not names:
        raise AuthenticationFailed(said, "There is no verified certificate with a name")
    user = said or names[0]
    if user.casefold() not in {name.casefold() for name in names} or not (yield CheckUser(user)):
        raise AuthenticationFailed(user, "The certificate is not for this user")
    return user


def _checked(user: str, password: str) -> Mechanism:
    if not (yield CheckPassword(user, password)):
        raise AuthenticationFailed(user)
    return user


def _bearer(user: str, fields: Mapping[bytes, bytes], failure: bytes) -> Mechanism:
    token = _BEARER.fullmatch(fields.get(b"auth", b""))
    if token is None:
        raise BadResponse("The token is given as auth=Bearer")
    if not (yield CheckToken(user, text_of(token[1]))):
        # why is a challenge; the client answers it with nothing of interest, and then it fails (RFC 7628, 3.2.3)
        yield Challenge(failure)
        raise AuthenticationFailed(user)
    return user


def _fields(octets: bytes) -> Mapping[bytes, bytes]:
    """Key and value pairs, each ended by %x01, and one %x01 more (RFC 7628, 3.1)."""
    pairs = [pair.partition(b"=") for pair in octets.strip(b"\1").split(b"\1")]
    if not all(equals for _, equals, _ in pairs):
        raise BadResponse("The response is pairs of key and value, each ended by %x01")
    return {key.lower(): value for key, _, value in pairs}


def _scram(digest: Hash, *, plus: bool = False) -> Maker:
    return lambda initial, _hostname: scram(digest, initial, plus=plus)


MECHANISMS: Final[Mapping[str, Maker]] = {
    "SCRAM-SHA-256": _scram("sha256"),
    "SCRAM-SHA-1": _scram("sha1"),
    "SCRAM-SHA-256-PLUS": _scram("sha256", plus=True),
    "SCRAM-SHA-1-PLUS": _scram("sha1", plus=True),
    "CRAM-MD5": cram_md5,
    "PLAIN": plain,
    "LOGIN": login,
    "XOAUTH2": xoauth2,
    "OAUTHBEARER": oauthbearer,
    "ANONYMOUS": anonymous,
    "EXTERNAL": external,
}
