"""The replies that never change, encoded once (RFC 5321, 4.2; enhanced status codes: RFC 3463 and RFC 5248)."""

from functools import lru_cache
from typing import Final

from ..faults import Respond
from ..wire.reply import Reply

# --- positive
OK: Final = Reply(250, "2.0.0", "Ok")
SENDER_OK: Final = Reply(250, "2.1.0", "Ok")
RECIPIENT_OK: Final = Reply(250, "2.1.5", "Ok")
BYE: Final = Reply(221, "2.0.0", "Bye")
START_MAIL: Final = Reply(354, None, "End data with <CR><LF>.<CR><LF>")
READY_FOR_TLS: Final = Reply(220, "2.0.0", "Ready to start TLS")
AUTHENTICATED: Final = Reply(235, "2.7.0", "Authentication successful")

# --- the connection ends
TIMEOUT: Final = Reply(421, "4.4.2", "Nothing came for too long")
OUTLIVED: Final = Reply(421, "4.4.2", "The session has lasted too long")
TOO_MANY_UNKNOWN: Final = Reply(421, "4.7.0", "Too many unknown commands")
ENDLESS_LINE: Final = Reply(421, "4.5.2", "The line is far too long")

# --- the command is refused
UNKNOWN: Final = Reply(500, "5.5.2", "Unknown command")
LINE_TOO_LONG: Final = Reply(500, "5.5.2", "The line is too long")
NOT_TEXT: Final = Reply(500, "5.5.2", "The command is neither ASCII nor UTF-8")
CONTROLS: Final = Reply(501, "5.5.2", "The command has control characters")
NO_ARGUMENT: Final = Reply(501, "5.5.4", "This command takes no argument")
NOT_OFFERED: Final = Reply(502, "5.5.1", "This command is not offered here")
NOT_LHLO: Final = Reply(500, "5.5.1", "This is LMTP: send LHLO")  # RFC 2033, 4.1
NOT_LMTP: Final = Reply(500, "5.5.1", "This is SMTP: send EHLO")
HELLO_FIRST: Final = Reply(503, "5.5.1", "Send EHLO first")
MAIL_FIRST: Final = Reply(503, "5.5.1", "Send MAIL first")
NESTED_MAIL: Final = Reply(503, "5.5.1", "A transaction is open already")
NO_RECIPIENTS: Final = Reply(503, "5.5.1", "Send RCPT first")
NO_VALID_RECIPIENTS: Final = Reply(554, "5.5.1", "No valid recipients")
TLS_FIRST: Final = Reply(530, "5.7.0", "Send STARTTLS first")  # RFC 3207, 4
AUTH_FIRST: Final = Reply(530, "5.7.0", "Authentication required")  # RFC 4954, 6
TLS_POOR: Final = Reply(554, "5.7.0", "Command refused due to lack of security")  # RFC 3207, 4.1
TLS_ALREADY: Final = Reply(503, "5.5.1", "TLS is there already")
XCLIENT_DENIED: Final = Reply(550, "5.7.0", "XCLIENT is for trusted proxies")
XCLIENT_IN_MAIL: Final = Reply(503, "5.5.1", "XCLIENT is not possible in a transaction")
XCLIENT_SYNTAX: Final = Reply(501, "5.5.4", "Syntax: XCLIENT attribute=value ...")
FAILED: Final = Reply(451, "4.3.0", "An error inside the server")

# --- AUTH
AUTH_IN_MAIL: Final = Reply(503, "5.5.1", "AUTH is not possible in a transaction")  # RFC 4954, 4
AUTH_TWICE: Final = Reply(503, "5.5.1", "Authenticated already")
AUTH_NEEDS_TLS: Final = Reply(538, "5.7.11", "Encryption required for authentication")  # RFC 4954, 6
NO_SUCH_MECHANISM: Final = Reply(504, "5.5.4", "No such mechanism")

# --- MAIL and RCPT
MAIL_SYNTAX: Final = Reply(501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]")
RCPT_SYNTAX: Final = Reply(501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]")
BAD_SENDER: Final = Reply(501, "5.1.7", "Bad sender address syntax")
BAD_RECIPIENT: Final = Reply(501, "5.1.3", "Bad recipient address syntax")
NEEDS_UTF8: Final = Reply(553, "5.6.7", "A non-ASCII address needs SMTPUTF8")  # RFC 6531, 3.5
TOO_BIG: Final = Reply(552, "5.3.4", "The message is larger than the limit")  # RFC 1870, 6.1
TOO_MANY_RECIPIENTS: Final = Reply(452, "4.5.3", "Too many recipients")  # RFC 5321, 4.5.3.1.10
PARAMETER_SYNTAX: Final = Reply(501, "5.5.4", "Parameters are KEYWORD or KEYWORD=VALUE, each once")

# --- DATA and BDAT
BDAT_SYNTAX: Final = Reply(501, "5.5.4", "Syntax: BDAT octets [LAST]")
CHUNK_OK: Final = Reply(250, "2.0.0", "Ok")
RCPT_AFTER_BDAT: Final = Reply(503, "5.5.1", "BDAT has begun: no RCPT")
DATA_AFTER_BDAT: Final = Reply(503, "5.5.1", "BDAT has begun: no DATA")  # RFC 3030, 2
BINARY_NEEDS_BDAT: Final = Reply(503, "5.5.1", "BODY=BINARYMIME needs BDAT")  # RFC 3030, 3
BARE_NEWLINES: Final = Reply(550, "5.5.2", "The message has a bare CR or LF")


@lru_cache(maxsize=64)
def hello(code: int, *lines: str) -> Reply:
    """The greeting and the replies to EHLO and HELO: without enhanced status codes (RFC 2034, 4), few in number."""
    return Reply(code, None, *lines)


def of_rule(answer: Respond) -> Reply:
    """The reply that a fault rule gives.

    Raises:
        ValueError: it is another protocol's (``NO``).
    """
    return Reply.parse(int(answer.reply), answer.text)
