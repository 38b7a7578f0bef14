"""IMAP: RFC 3501 and its extensions as a state machine, without sockets, threads or clocks of its own.

- ``collect`` gathers one command, lines and literals, within limits; ``tokens`` reads it.
- ``session`` is the conversation: states, dispatch, what is told untagged; ``commands`` has the handlers.
- ``view`` is one session's sequence numbers over the store's snapshot; ``fetch_items`` compiles FETCH.
- ``capabilities`` is the one table of what is offered.
"""
