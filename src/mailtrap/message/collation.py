"""Comparing text without case, as ``i;unicode-casemap`` does (RFC 5051), which I18NLEVEL=1 asks for (RFC 5255, 4.4).

RFC 5051 gives each character its title case and takes it apart. What is equal there is equal here, and a little more
is: the forms of a letter that only have a longer upper case (``ß`` and ``ss``), and ligatures (``ﬁ`` and ``FI``).
"""

from unicodedata import normalize


def folded(text: str) -> str:
    """Text for equality, and to look for one text in another: of ASCII the lower case."""
    if text.isascii():
        return text.lower()
    return normalize("NFKD", normalize("NFKD", text).upper().casefold())


def sort_key(text: str) -> str:
    """Text for an order: RFC 5051 compares octets of the title case, so ``_`` comes behind the letters."""
    if text.isascii():
        return text.upper()
    return normalize("NFKD", normalize("NFKD", text).casefold().upper())
