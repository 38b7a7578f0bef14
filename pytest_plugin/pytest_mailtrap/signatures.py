"""Whether a mail is signed with DKIM (RFC 6376). The signature is verified by dkimpy; DNS is answered by the test."""

from typing import TYPE_CHECKING, Any

from mailtrap import ConfigError

from .dns import answering

if TYPE_CHECKING:
    from mailtrap import Message


def complaint(message: "Message", domain: str, selector: str | None, dns: Any) -> str:
    """Why no signature of a domain holds; "" where one does.

    Raises:
        ConfigError: dkimpy is not installed, or nobody answers DNS.
    """
    try:
        import dkim  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise ConfigError(f"to_be_dkim_signed needs dkimpy: install 'pytest-mailtrap[dkim]' ({error})") from error
    answer = answering(dns)

    def look_up(name: str | bytes, timeout: float = 5) -> bytes | None:  # noqa: ARG001  nobody is waited for
        return answer(name.decode("ascii", "replace") if isinstance(name, bytes) else name)

    verifier = dkim.DKIM(message.raw)
    signatures = [value for name, value in verifier.headers if name.lower() == b"dkim-signature"]
    if not signatures:
        return "it has no DKIM-Signature"
    wrong: list[str] = []
    for number, signature in enumerate(signatures):
        try:
            tags = dkim.util.parse_tag_value(signature)
        except dkim.util.InvalidTagValueList as error:
            wrong.append(f"a signature that cannot be read: {type(error).__name__}")
            continue
        signer, key = (tags.get(tag, b"").decode("ascii", "replace") for tag in (b"d", b"s"))
        name = f"the signature of {signer} with selector {key}"
        if signer.lower() != domain.lower() or (selector is not None and key.lower() != selector.lower()):
            wrong.append(f"{name} is another one")
            continue
        where = f"{key}._domainkey.{signer}"
        if answer(where) is None:
            wrong.append(f"{name} cannot be verified: there is no TXT record {where}")
            continue
        try:
            if verifier.verify(number, dnsfunc=look_up):
                return ""
            wrong.append(f"{name} is not by the key of {where}, or a signed field was changed")
        except dkim.DKIMException as error:
            wrong.append(f"{name} does not hold: {error}")
    return "; ".join(wrong)
