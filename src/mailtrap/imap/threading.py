"""The THREAD response (RFC 5256, 4)."""

from collections.abc import Sequence

from ..message.threads import Node


def response(roots: Sequence[Node]) -> bytes:
    """Threads as lists in lists. However deep a conversation is, nothing here is recursive."""
    parts: list[bytes] = []
    waiting: list[Node | bytes] = list(reversed(roots))
    while waiting:
        node = waiting.pop()
        if isinstance(node, bytes):
            parts.append(node)
            continue
        parts.append(b"(")
        line: Node | None = node
        separator = b""
        while line is not None:
            if line.item is not None:
                parts.append(b"%b%d" % (separator, line.item.number))
                separator = b" "
            if len(line.children) == 1:
                line = line.children[0]
                continue
            if line.children:
                parts.append(separator)
            waiting.append(b")")
            waiting.extend(reversed(line.children))
            line = None
    return b"* THREAD%b%b\r\n" % (b" " if parts else b"", b"".join(parts))
