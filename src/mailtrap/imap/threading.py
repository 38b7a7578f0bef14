"""The THREAD response (RFC 5256, 4)."""

from ..message.threads import Forest


def response(forest: Forest) -> bytes:
    """Threads as lists in lists. However deep a conversation is, nothing here is recursive."""
    numbers, roots, children = forest
    if not children:  # every message is alone
        alone = ")(".join([str(numbers[root]) for root in roots])
        return b"* THREAD (%b)\r\n" % alone.encode() if roots else b"* THREAD\r\n"
    parts: list[str] = []
    waiting: list[int] = [*reversed(roots)]
    while waiting:
        node = waiting.pop()
        if node == _END:
            parts.append(")")
            continue
        below = children.get(node)
        if not below:
            parts.append(f"({numbers[node]})")
            continue
        parts.append("(")
        separator = ""
        while True:
            if node < len(numbers):
                parts.append(f"{separator}{numbers[node]}")
                separator = " "
            below = children.get(node, [])
            if len(below) != 1:
                break
            node = below[0]
        if below:
            parts.append(separator)
        waiting.append(_END)
        waiting.extend(reversed(below))
    return b"* THREAD %b\r\n" % "".join(parts).encode()


_END = -1
