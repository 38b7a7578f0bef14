"""What of a client's line may be written down: commands that carry a password or a SASL response, without it.

One rule for all protocols: clients speak to the wrong listener, mistype, and send a response where a command was
expected. What stands behind the verb, behind the name of a mechanism or behind a user's name is masked.
"""

import re
from typing import Final

MASK: Final = b"***"
_USER: Final = rb'(?: +(?:\{\d+\+?\}\r\n)?(?:"[^"\r\n]*"|[^"\s{]+))?'
_SECRET: Final = re.compile(
    # a tag may come first, and white space of any kind; the first word that can be a verb is it
    rb"\s*(?:[^\s]+\s+)??(?:"
    rb"(?P<password>PASS)|"
    rb"(?P<named>(?:LOGIN|APOP)" + _USER + rb")|"
    rb"(?P<sasl>AUTH(?:ENTICATE)?)(?P<mechanism> +[A-Za-z0-9_-]{1,20}(?=\s|\Z))?"
    rb")",
    re.IGNORECASE,
)


def redacted(line: bytes) -> bytes:
    """A command as it may be written down; itself where it is none that carries a secret."""
    found = _SECRET.match(line)
    if found is None:
        return line
    end = found.end()
    mechanism = found["mechanism"]  # of the form of RFC 4422, 3.1
    if mechanism is not None and not (mechanism.isupper() or mechanism.islower()):
        end = found.end("sasl")  # in both cases at once it may be a response, or a password
    return line if not line[end:].strip() else line[:end] + b" " + MASK
