"""SCRAM-SHA-1 and SCRAM-SHA-256, the server's side (RFC 5802, RFC 7677), and SASLprep (RFC 4013).

The server knows the passwords in clear, so the keys are derived at each login.
"""

import hashlib
import hmac
import os
import re
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Generator
from typing import Any, Final, Literal

from .requests import (
    AuthenticationFailed,
    BadResponse,
    Challenge,
    CheckPassword,
    IsOffered,
    Mechanism,
    NeedBinding,
    NeedPassword,
    Request,
    same_identity,
)
from .requests import name as name_of

Hash = Literal["sha1", "sha256"]
ITERATIONS: Final = 4096  # RFC 7677, 4: at least
_BINDING: Final = re.compile(rb"p=[A-Za-z0-9.-]+")  # RFC 5802, 7: gs2-cbind-flag
_SALT_KEY: Final = os.urandom(32)


def scram(
    digest: Hash, initial: bytes | None, *, plus: bool = False, nonce: bytes | None = None, salt: bytes | None = None
) -> Mechanism:  # fmt: skip
    """The exchange of RFC 5802, 5.

    Args:
        digest: the hash.
        initial: the client-first-message; None where it is still to come.
        plus: with channel binding (RFC 5802, 6).
        nonce: the server's part, printable and without a comma; a fresh one where not given.
        salt: made from the user's name where not given: the same each time, for an unknown user too.
    """
    first = (yield Challenge(b"")) if initial is None else initial
    header, bare, user, client_nonce = _client_first(first, plus)
    expected = header + (yield from _binding(digest, header, user))
    nonce = client_nonce + (nonce or b64encode(os.urandom(18)))
    salt = salt or hmac.digest(_SALT_KEY, user.encode(), "sha256")[:16]
    server_first = b"r=%b,s=%b,i=%d" % (nonce, b64encode(salt), ITERATIONS)

    known: str | None = yield NeedPassword(user)
    final = yield Challenge(server_first)
    without_proof, proof, bound = _client_final(final, nonce)
    if bound != expected:
        if plus:  # somebody stands in the middle
            raise AuthenticationFailed(user, "The channel binding is not the one of this connection")
        raise BadResponse("The channel binding is not the one of the first message")

    # a user whose password is not known goes the same way, with one that nobody can know
    password = os.urandom(16).hex() if known is None else known
    salted = hashlib.pbkdf2_hmac(digest, saslprep(password).encode(), salt, ITERATIONS)
    message = b"%b,%b,%b" % (bare, server_first, without_proof)
    stored_key = hashlib.new(digest, hmac.digest(salted, b"Client Key", digest)).digest()
    signature = hmac.digest(stored_key, message, digest)
    if len(proof) != len(signature):
        raise AuthenticationFailed(user)
    client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    if not hmac.compare_digest(hashlib.new(digest, client_key).digest(), stored_key):
        raise AuthenticationFailed(user)
    if not (yield CheckPassword(user, password)):
        raise AuthenticationFailed(user)
    server_key = hmac.digest(salted, b"Server Key", digest)
    # none of the three protocols lets success carry data, so it is one more challenge with an empty answer
    if (yield Challenge(b"v=" + b64encode(hmac.digest(server_key, message, digest)))):
        raise BadResponse("SCRAM ends with an empty response")
    return user


def _binding(digest: Hash, header: bytes, user: str) -> Generator[Request, Any, bytes]:
    """What stands behind the GS2 header where the client sends it again: the data of the channel binding."""
    flag = header.partition(b",")[0]
    if flag[:2] == b"p=":
        data: bytes | None = yield NeedBinding(flag[2:].decode())
        if data is None:
            raise BadResponse("This channel binding is not supported")
        return data
    # The client could, and thinks that the server cannot: somebody in the middle has hidden it (RFC 5802, 6).
    if flag == b"y" and (yield IsOffered(f"SCRAM-SHA-{'256' if digest == 'sha256' else '1'}-PLUS")):
        raise AuthenticationFailed(user, "Channel binding is offered, and the client was told otherwise")
    return b""


def _client_first(message: bytes, plus: bool) -> tuple[bytes, bytes, str, bytes]:
    """The GS2 header, the message without it, the user and the client's nonce."""
    flag, comma, rest = message.partition(b",")
    authzid, second, bare = rest.partition(b",")
    if not (comma and second) or (authzid and authzid[:2] != b"a="):
        raise BadResponse("SCRAM begins with a GS2 header")
    if plus and _BINDING.fullmatch(flag) is None:
        raise BadResponse("A mechanism with -PLUS needs channel binding")
    if not plus and flag not in (b"n", b"y"):
        raise BadResponse("A mechanism without -PLUS has no channel binding")
    fields = bare.split(b",")
    if len(fields) < 2 or fields[0][:2] != b"n=" or fields[1][:2] != b"r=":
        raise BadResponse("SCRAM begins with the user name and a nonce")  # and not with m=
    nonce = fields[1][2:]
    if not nonce or not all(33 <= octet <= 126 for octet in nonce):
        raise BadResponse("A nonce is printable")
    user = saslname(fields[0][2:])
    if authzid:
        same_identity(saslname(authzid[2:]), user)
    return message[: len(message) - len(bare)], bare, user, nonce


def _client_final(message: bytes, nonce: bytes) -> tuple[bytes, bytes, bytes]:
    """The message without its proof, the proof, and the GS2 header with what it is bound to."""
    without_proof, found, proof = message.rpartition(b",p=")
    fields = without_proof.split(b",")
    if not found or len(fields) < 2 or fields[0][:2] != b"c=" or fields[1][:2] != b"r=":
        raise BadResponse("SCRAM ends with channel binding, nonce and proof")
    if fields[1][2:] != nonce:
        raise BadResponse("The nonce is not the one of the first message")
    return without_proof, _base64(proof), _base64(fields[0][2:])


def saslname(octets: bytes) -> str:
    """A name in which ``=2C`` is a comma and ``=3D`` an equals sign (RFC 5802, 5.1)."""
    if octets.count(b"=") != octets.count(b"=2C") + octets.count(b"=3D"):
        raise BadResponse("In a name, = is written =3D and a comma =2C")
    return name_of(octets.replace(b"=2C", b",").replace(b"=3D", b"="))


def _base64(octets: bytes) -> bytes:
    try:
        return a2b_base64(octets, strict_mode=True)
    except Base64Error:
        raise BadResponse("An attribute is no base64") from None


def saslprep(text: str) -> str:
    """A password in the form both sides hash (RFC 4013); one that has none is left alone."""
    prepared = prepare(text)
    return text if prepared is None else prepared


def prepare(text: str) -> str | None:
    """A user name or password in its one form (RFC 4013); None where it has none, because of what must not be in it."""
    if text.isascii():
        return text if text.isprintable() else None
    import stringprep  # tables that few need
    import unicodedata

    mapped = "".join(
        " " if stringprep.in_table_c12(c) else c for c in text if not stringprep.in_table_b1(c)
    )  # RFC 4013, 2.1
    prepared = unicodedata.normalize("NFKC", mapped)  # 2.2
    prohibited = (
        stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c4,
        stringprep.in_table_c5, stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8,
        stringprep.in_table_c9,
    )  # fmt: skip
    if any(test(c) for c in prepared for test in prohibited):
        return None
    return prepared
