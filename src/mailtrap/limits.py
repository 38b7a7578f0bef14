"""Every bound in one place: what is refused, elided or evicted, and at which size.

Sizes in octets, times in seconds. What users may change is a setting (``config.py``); these are the walls behind.
"""

from typing import Final

KB: Final = 1024
MB: Final = 1024 * KB

# --- input
RECEIVE_BUFFER: Final = 256 * KB  # the one buffer that all connections of a server read into
UNPARSED_HIGH: Final = 1 * MB  # a session that has this much unread input is not read from
WRITE_HIGH: Final = 64 * KB  # above it the driver asks the session for no further step

# --- connections
WRITE_CHUNK: Final = 256 * KB  # a longer piece of output is handed to the transport in pieces of this size
STEPS: Final = 500  # steps a session takes before others get their turn
WORKERS: Final = 32  # threads for calls that do I/O or run users' code
LINGER: Final = 2.0  # seconds a closed connection's unread input is still read, so that the last reply arrives
PROXY_HEADER: Final = 16 + 65_535  # the longest that a PROXY header can be
BACKLOG: Final = 1024  # connections that wait to be accepted
HTTP_BODY: Final = 128 * MB  # a request body; with more it is 413
HTTP_DRAIN: Final = 64 * MB  # unread request body that is skipped so that the answer arrives; then the end

# --- lines: over the first limit the command is refused, over the second the connection ends
SMTP_LINE: Final = 12_288  # RFC 4954, 4.3: AUTH responses are the longest lines there are
SMTP_LINE_END: Final = 64 * KB
POP3_LINE: Final = 12_288
POP3_LINE_END: Final = 64 * KB
IMAP_LINE: Final = 64 * KB  # a command without its literals
IMAP_LINE_END: Final = 1 * MB
IMAP_LITERAL: Final = 64 * KB  # a literal that is not a message
IMAP_LITERALS: Final = 1 * MB  # all such literals of one command
IMAP_APPEND: Final = 256 * MB  # all messages of one APPEND
IMAP_DROP: Final = 128 * MB  # of literals that a client sent without waiting, and that are read and dropped
IMAP_NAME: Final = 1000  # characters of a mailbox's name
IMAP_DEPTH: Final = 50  # nested parentheses
IMAP_CONTEXTS: Final = 16  # searches of one session that are kept up to date (RFC 5267)
IMAP_NOTIFIED: Final = 5_000  # mailboxes that a session is told of (RFC 5465)
IMAP_ANNOTATION: Final = 16 * KB  # the value of one annotation
IMAP_ANNOTATIONS: Final = 100  # annotations of one mailbox, or of the server, that one user sees

# --- records
TRANSACTION_LOG: Final = 16 * KB  # of one transaction's transcript; the middle is elided beyond it
LINE_LOG: Final = 1 * KB  # of one line in a transcript
SESSION_LOGS: Final = 64  # transcripts of transactions that a session's record keeps
SESSIONS: Final = 1_000  # session records a server keeps
REFUSALS: Final = 1_000  # refusals a scope keeps
REFUSAL_BYTES: Final = 256 * KB  # of a refused mail that is kept
ERRORS: Final = 100  # server errors a scope keeps
EVICTIONS: Final = 100  # evicted messages that a scope remembers
EVICTED_HEAD: Final = 8 * KB  # of the header of one of them

# --- store
FACTS_CACHE: Final = 64 * MB  # what was computed from bytes, per store
ROWS_CACHE: Final = 16 * MB  # messages, without their bytes, that a store on disk keeps in memory
INDEXED_AT_ONCE: Final = 32 * MB  # octets of messages that a full-text index takes in at once
VANISHED_RANGES: Final = 1_000  # ranges of expunged UIDs that a mailbox remembers
MIME_DEPTH: Final = 100  # nested MIME parts that are looked at
MIME_PARTS: Final = 10_000
REFERENCES: Final = 1_000  # message ids of one References field that THREAD looks at: the first, and the last ones
