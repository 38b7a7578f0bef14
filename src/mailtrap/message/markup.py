"""HTML as text, and the links in it.

A scanner of its own: it takes any text, is linear in its length, and never raises, which the standard library's parser
does on some declarations. It knows as much of HTML as mail uses.
"""

import re
from collections.abc import Iterator
from html import unescape
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"/?[a-zA-Z][^\s/>]*+")
_REST: Final = re.compile(r"""(?:[^>"']++|"[^"]*"|'[^']*')*+>""")
_ATTRIBUTE: Final = re.compile(r"""([^\s=>/"']+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]*)))?""")
_BLANK: Final = " \t\r\n\f"
_SPACES: Final = re.compile(rf"[{_BLANK}]+")
_MORE_SPACES: Final = ("  ", "\t", "\r", "\f")  # more than one, or another than space and line end
_RAW: Final = {
    name: re.compile(rf"</{name}\b[^>]*>?", re.IGNORECASE) for name in ("script", "style", "title", "template")
}
# What ``scan`` tells from text, for ``split``. Its groups are the name of a tag, and all from a "<" on that is none of
# these: each character is looked at a fixed number of times.
_NO_TEXT: Final = re.compile(
    "<(?:(?!(?:{raw})(?=[\\s/>]))({name}){rest}|{elements}|!--.*?-->|(?:!(?!--)|\\?|/(?![a-z]))[^>]*>|(.*))".format(
        name=_NAME.pattern, rest=_REST.pattern, raw="|".join(_RAW),
        elements="|".join(rf"{name}(?=[\s/>]){_REST.pattern}.*?(?:</{name}\b[^>]*>?|\Z)" for name in _RAW),
    ),
    re.IGNORECASE | re.DOTALL,
)  # fmt: skip
_FAILURES: Final = 20  # tags without a proper end, after which quotes in tags are not trusted any more

_PARAGRAPHS: Final = frozenset((
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "pre", "hr", "address",
    "article", "aside", "section", "figure", "fieldset",
))  # fmt: skip
_LINES: Final = frozenset((
    "div", "tr", "li", "dt", "dd", "br", "header", "footer", "main", "nav", "form", "caption", "center", "body",
    "html", "head", "option", "figcaption", "summary",
))  # fmt: skip
_CELLS: Final = frozenset(("td", "th"))
_BREAK, _CELL, _ITEM, _VERBATIM = -1, -2, -3, -4
_EFFECTS: Final = {  # of a tag: the line ends that are due then, or one of these
    **{f"{slash}{name}": 2 for name in _PARAGRAPHS for slash in ("", "/")},
    **{f"{slash}{name}": 1 for name in _LINES for slash in ("", "/")},
    **dict.fromkeys(("br", "/br"), _BREAK), **dict.fromkeys(_CELLS, _CELL), "li": _ITEM, "pre": _VERBATIM,
}  # fmt: skip
_INVISIBLE: Final = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u2007"
_UNSEEN: Final = re.compile(f"[{_INVISIBLE}]+")


class Anchor(NamedTuple):
    """A link as it stands."""

    href: str
    text: str
    title: str | None


class Tag(NamedTuple):
    """A tag: its name in lower case, with ``/`` before it where it closes, and what stands behind the name."""

    name: str
    rest: str

    def attributes(self) -> dict[str, str]:
        """Names in lower case; of repeated ones the first counts."""
        found: dict[str, str] = {}
        for name, double, single, bare in _ATTRIBUTE.findall(self.rest):
            found.setdefault(name.lower(), unescape(double or single or bare))
        return found


def scan(html: str) -> Iterator[str | Tag]:
    """Texts, character references in them resolved, and tags; no comments, declarations, scripts and styles."""
    position, size, failures = 0, len(html), 0
    while position < size:
        start = html.find("<", position)
        if start < 0:
            start = size
        if start > position:
            yield unescape(html[position:start])
        if start == size:
            return
        if (name := _NAME.match(html, start + 1)) is not None:
            rest = _REST.match(html, name.end()) if failures < _FAILURES else None
            if rest is not None:
                end = rest.end()
            else:
                failures += 1
                end = html.find(">", name.end()) + 1
                if not end:
                    return
            tag = Tag(name.group().lower(), html[name.end() : end - 1])
            yield tag
            if tag.name in _RAW:
                closing = _RAW[tag.name].search(html, end)
                end = closing.end() if closing is not None else size
            position = end
        elif html.startswith("<!--", start):
            position = html.find("-->", start + 4) + 3
            if position < 3:
                return
        elif html.startswith(("<!", "<?", "</"), start):
            position = html.find(">", start) + 1
            if position < 1:
                return
        else:
            yield "<"
            position = start + 1


class _Writer:
    """Text that is put together: white space runs are one space, blocks are lines."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.newlines = 0  # line ends due before the next text; none at the beginning
        self.space = False

    def text(self, text: str) -> None:
        words = _SPACES.sub(" ", text)
        if words == " ":
            self.space = True
            return
        stripped = words.strip(" ")
        if not stripped:
            return
        if self.out:
            if self.newlines:
                self.out.append("\n" * self.newlines)
            elif self.space or words[0] == " ":
                self.out.append(" ")
        self.out.append(stripped)
        self.newlines, self.space = 0, words[-1] == " "

    def verbatim(self, text: str) -> None:
        if not text:
            return
        if self.out and self.newlines:
            self.out.append("\n" * self.newlines)
        self.out.append(text)
        self.newlines, self.space = 0, False

    def lines(self, count: int) -> None:
        self.newlines = max(self.newlines, count)
        self.space = False

    def line_break(self) -> None:
        self.newlines = min(self.newlines + 1, 2)
        self.space = False


def to_text(html: str) -> str:
    """What a reader sees, one line per block and an empty one between paragraphs."""
    text = _split_to_text(html)
    if text is None:
        text = _scan_to_text(html)
    if not text.isascii():
        text = _UNSEEN.sub("", text).replace("\xa0", " ")
    return "\n".join([line.rstrip(" \t") for line in text.split("\n")]).strip("\n")


def _split_to_text(html: str) -> str | None:  # noqa: C901  one loop, for speed
    """The same as ``_scan_to_text`` in a third of the time, of what nearly all mail is; else None."""
    pieces = _NO_TEXT.split(html)
    if len(pieces) > 1 and pieces[-2] is not None:  # it goes to the end, so it is the last
        return None
    pieces.append(None)
    out: list[str] = []
    newlines, space = 0, False  # as of a ``_Writer``
    spaced = any(map(html.__contains__, _MORE_SPACES))
    effects = _EFFECTS.get
    for text, name in zip(pieces[::3], pieces[1::3], strict=True):
        if text == "\n":
            space = True
        elif text:
            if "&" in text:
                text = unescape(text)
                spaced = True
            stripped = text.strip(_BLANK)
            if not stripped:
                space = True
            else:
                if spaced or "\n" in stripped:
                    stripped = _SPACES.sub(" ", stripped)
                if out:
                    if newlines:
                        out.append("\n\n" if newlines == 2 else "\n")
                    elif space or text[0] in _BLANK:
                        out.append(" ")
                out.append(stripped)
                newlines = 0
                space = text[-1] in _BLANK
        if name is None:
            continue
        effect = effects(name)
        if effect is None:
            effect = effects(name.lower(), 0)
        if effect > 0:
            if effect > newlines:
                newlines = effect
            space = False
        elif effect == _BREAK:
            newlines, space = min(newlines + 1, 2), False
        elif effect == _CELL:
            space = True
        elif effect == _ITEM:
            if out:
                out.append("\n" * max(newlines, 1))
            out.append("-")
            newlines, space = 0, True
        elif effect == _VERBATIM:
            return None
    return "".join(out)


def _scan_to_text(html: str) -> str:
    writer = _Writer()
    preformatted = 0
    for token in scan(html):
        if isinstance(token, str):
            if preformatted:
                writer.verbatim(token)
            else:
                writer.text(token)
            continue
        name = token.name.removeprefix("/")
        closes = token.name != name
        if name == "br":
            writer.line_break()
        elif name in _PARAGRAPHS:
            writer.lines(2)
            if name == "pre":
                preformatted = max(0, preformatted + (-1 if closes else 1))
        elif name in _LINES:
            writer.lines(1)
            if name == "li" and not closes:
                writer.text("- ")
        elif name in _CELLS and not closes:
            writer.space = True
    return "".join(writer.out)


def anchors(html: str) -> list[Anchor]:
    """The links, in order, with their text; that of an image is its ``alt``. Links within the page are left out."""
    found: list[Anchor] = []
    current: tuple[str, str | None] | None = None
    words: list[str] = []
    alternatives: list[str] = []

    def close() -> None:
        nonlocal current
        if current is not None:
            text = "".join(words).strip() or " ".join(alternatives).strip()
            found.append(Anchor(current[0], " ".join(text.split()), current[1]))
        current = None
        words.clear()
        alternatives.clear()

    for token in scan(html):
        if isinstance(token, str):
            if current is not None:
                words.append(token)
        elif token.name in ("a", "area"):
            close()
            attributes = token.attributes()
            href = attributes.get("href", "").strip()
            if href and not href.startswith("#"):
                current = href, attributes.get("title")
                if token.name == "area":
                    alternatives.append(attributes.get("alt", ""))
                    close()
        elif token.name == "/a":
            close()
        elif current is not None:
            if token.name == "img":
                alternatives.append(token.attributes().get("alt", ""))
            elif token.name.removeprefix("/") in _PARAGRAPHS | _LINES | _CELLS:
                words.append(" ")
    close()
    return found
