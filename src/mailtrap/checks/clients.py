"""What mail programs cannot do of the HTML and CSS that a mail uses.

Only what ``client_table`` knows is found. Programs that render with Word read conditional comments, as in
``<!--[if mso]>``; each program is judged by the HTML that it sees. Linear in the size of the HTML, and nothing here
raises on bad HTML.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from ..errors import ConfigError
from ..message import markup
from . import Finding, client_table
from .client_table import CLIENTS

if TYPE_CHECKING:
    from ..message.model import Message

WORD: Final = "outlook"  # the program that reads conditional comments
REFERENCE: Final = "caniemail.com"
_OF: Final = {"y": "full", "a": "partial", "n": "none"}

_CONDITION: Final = re.compile(r"\s*\[if\s([^\]]{1,200})\]>", re.IGNORECASE)
_END: Final = re.compile(r"<!(?:--)?\s*\[endif\](?:--)?>", re.IGNORECASE)
_STYLE: Final = re.compile(r"<style\b[^<>]{0,1000}>", re.IGNORECASE)
_STYLE_END: Final = re.compile(r"</style\b[^>]*>?", re.IGNORECASE)
_FUNCTION: Final = re.compile(r"(?<![\w-])([a-z]+(?:-[a-z]+)*)\(")
_UNIT: Final = re.compile(r"(?<![\w.#-])[+-]?(?:\d+(?:\.\d+)?|\.\d+)([a-z]+)\b")
_PSEUDO: Final = re.compile(r"::?([a-z]+(?:-[a-z]+)*)")
_FEATURE: Final = re.compile(r"\(\s*(?:any-)?([a-z]+(?:-[a-z]+)*)")
_QUOTED: Final = re.compile(r'"[^"\n]*"|\'[^\'\n]*\'')
_EXTENSION: Final = re.compile(r"\.([a-z0-9]{2,5})(?:[?#]|\Z)")


class Use(NamedTuple):
    """Something that a mail's HTML uses.

    Attributes:
        id: for ``ignore=``: ``css-display-flex``.
        name: as one writes it: ``display: flex``.
        support: a letter for each of ``CLIENTS``.
    """

    id: str
    name: str
    support: str

    def by(self, client: str) -> Literal["full", "partial", "none", "unknown"]:
        """How far a program has it."""
        letter = self.support[list(CLIENTS).index(client)]
        return _OF.get(letter, "unknown")  # type: ignore[return-value]


def clients(message: "Message") -> Iterator[Finding]:
    """What some program lacks of what the mail uses, as a check of it."""
    html = message._parsed.html
    if html is None:
        return
    by_use: dict[Use, dict[str, list[str]]] = {}
    for client in CLIENTS:
        for use in uses(html, client):
            by_use.setdefault(use, {}).setdefault(use.by(client), []).append(client)
    for use, support in by_use.items():
        lacking = [f"{'partly' if kind == 'partial' else 'not'} in {', '.join(support[kind])}"
                   for kind in ("none", "partial") if kind in support]  # fmt: skip
        if lacking:
            yield Finding(use.id, "info", f"{use.name} works {'; '.join(lacking)}", "HTML", REFERENCE)


def unsupported(
    html: str, wanted: Iterable[str], level: Literal["full", "partial"] = "partial"
) -> Mapping[str, Sequence[Use]]:
    """What is used that programs are known to lack.

    Args:
        wanted: names of ``CLIENTS``.
        level: what is enough.

    Returns:
        By program; programs that lack nothing are left out.

    Raises:
        ConfigError: there is no such program in the table, or no such level.
    """
    if level not in ("full", "partial"):
        raise ConfigError(f"level is 'full' or 'partial', not {level!r}")
    found: dict[str, Sequence[Use]] = {}
    for client in wanted:
        if client not in CLIENTS:
            raise ConfigError(f"nothing is known of {client!r}; there is: {', '.join(CLIENTS)}")
        failing = ("none",) if level == "partial" else ("none", "partial")
        if lacks := [use for use in uses(html, client) if use.by(client) in failing]:
            found[client] = lacks
    return found


def uses(html: str, client: str) -> Sequence[Use]:
    """What the table knows of that a program sees in some HTML, in the order of the table's kinds and names."""
    body, sheets = _seen(html, word=client == WORD)
    found: set[Use] = set()
    for token in markup.scan(body):
        if isinstance(token, markup.Tag):
            found.update(_tag(token))
            if style := token.attributes().get("style") if "style" in token.rest.lower() else None:
                found.update(_declarations(_bare(style)))
    if sheets:
        found.add(Use("html-style", "<style>", client_table.ELEMENTS["style"]))
    for sheet in sheets:
        found.update(_sheet(_bare(sheet)))
    return sorted(found)


# ---------------------------------------------------------------- what a program sees


def _seen(html: str, *, word: bool) -> tuple[str, list[str]]:
    """The HTML without comments and style sheets, and the style sheets."""
    out: list[str] = []
    sheets: list[str] = []
    position, size, comment = 0, len(html), 0
    ends = True  # whether an [endif] may follow still
    while position < size:
        if position >= comment >= 0:
            comment = html.find("<!--", position)
        if (style := _STYLE.search(html, position, comment if comment >= 0 else size)) is not None:
            out.append(html[position : style.start()])
            position = _sheet_at(html, style.end(), sheets)
            comment = 0 if comment < position else comment
            continue
        if comment < 0:
            out.append(html[position:])
            break
        out.append(html[position:comment])
        closing = html.find("-->", comment + 4)
        position = size if closing < 0 else closing + 3
        if (condition := _CONDITION.match(html, comment + 4)) is None:
            continue
        for_word = "!" not in condition[1] and re.search(r"\b(?:mso|ie)\b", condition[1].lower()) is not None
        inner = html[condition.end() : max(closing, condition.end())]
        if inner.strip() in ("", "<!"):  # <!--[if !mso]><!--> what follows is for all others <!--<![endif]-->
            if word and not for_word and ends:
                end = _END.search(html, position)
                ends = end is not None
                position = position if end is None else end.end()
        elif word and for_word:
            _take(inner.rstrip().removesuffix("<![endif]"), out, sheets)
    return "".join(out), sheets


def _take(html: str, out: list[str], sheets: list[str]) -> None:
    """Part some HTML, in which comments count as text, from its style sheets."""
    position = 0
    while (style := _STYLE.search(html, position)) is not None:
        out.append(html[position : style.start()])
        position = _sheet_at(html, style.end(), sheets)
    out.append(html[position:])


def _sheet_at(html: str, start: int, sheets: list[str]) -> int:
    """Take the style sheet that begins there; where it goes on."""
    closing = _STYLE_END.search(html, start)
    sheets.append(html[start : len(html) if closing is None else closing.start()])
    return len(html) if closing is None else closing.end()


def _bare(css: str) -> str:
    """CSS in lower case, without comments and strings."""
    out: list[str] = []
    position = 0
    while (start := css.find("/*", position)) >= 0:
        out.append(css[position:start])
        end = css.find("*/", start + 2)
        if end < 0:
            position = len(css)
            break
        position = end + 2
    out.append(css[position:])
    text = "".join(out).lower().replace("<!--", " ").replace("-->", " ")
    return _QUOTED.sub("''", text)


# ---------------------------------------------------------------- CSS


def _sheet(css: str) -> Iterator[Use]:
    """What a style sheet uses: blocks are told apart by their braces, rules in rules by what precedes them."""
    for piece in re.split(r"([{};])", css):
        text = piece.strip()
        if not text or text in "{};":
            continue
        if text.startswith("@"):
            yield from _at_rule(text)
            continue
        name, colon, _ = text.partition(":")
        if colon and re.fullmatch(r"-{0,2}[a-z][\w-]*", name.strip()) and name.strip() in _DECLARED:
            yield from _declarations(text)
        elif not colon or not re.fullmatch(r"-{0,2}[a-z][\w-]*", name.strip()) or _is_selector(text):
            yield from _selector(text)
        else:
            yield from _declarations(text)


# Names before a colon that are elements, not properties: "a:hover", "li:first-child".
_ELEMENT_NAMES: Final = frozenset((
    "a", "abbr", "b", "blockquote", "body", "button", "center", "div", "em", "form", "h1", "h2", "h3", "h4", "h5", "h6",
    "html", "i", "img", "input", "label", "li", "ol", "p", "section", "select", "span", "strong", "sub", "sup",
    "tbody", "td", "textarea", "tfoot", "th", "thead", "tr", "u", "ul",
))  # fmt: skip
_DECLARED: Final = frozenset((*client_table.PROPERTIES, "display", "background", "color", "width", "height"))


def _is_selector(text: str) -> bool:
    return text.partition(":")[0].strip() in _ELEMENT_NAMES


def _at_rule(text: str) -> Iterator[Use]:
    name = re.match(r"@(?:-[a-z]+-)?([a-z-]*)", text)
    rule = name[1] if name is not None else ""
    if rule in client_table.AT_RULES:
        yield Use(f"css-at-{rule}", f"@{rule}", client_table.AT_RULES[rule])
    if rule == "media":
        for feature in _FEATURE.findall(text):
            if feature in client_table.MEDIA:
                yield Use(f"css-media-{feature}", f"@media ({feature})", client_table.MEDIA[feature])


def _selector(text: str) -> Iterator[Use]:
    for name in _PSEUDO.findall(text):
        if name in client_table.PSEUDO:
            yield Use(f"css-pseudo-{name}", f":{name}", client_table.PSEUDO[name])
    outside = re.sub(r"\([^()]*\)", "", text)
    for sign, support in client_table.COMBINATORS.items():
        if sign in outside:
            yield Use(f"css-selector-{_SIGNS[sign]}", f"the selector {sign if sign != '[' else '[attribute]'}", support)


_SIGNS: Final = {">": "child", "+": "adjacent", "~": "sibling", "[": "attribute"}


def _declarations(css: str) -> Iterator[Use]:
    """What declarations use, as they stand in a ``style`` attribute."""
    for declaration in css.split(";"):
        name, colon, value = declaration.partition(":")
        name, value = name.strip(), value.strip()
        if not colon or not name:
            continue
        if name in client_table.PROPERTIES:
            yield Use(f"css-{name}", name, client_table.PROPERTIES[name])
        if name == "display" and (kind := value.split("!")[0].strip().removeprefix("inline-")) in client_table.DISPLAYS:
            yield Use(f"css-display-{kind}", f"display: {kind}", client_table.DISPLAYS[kind])
        if name.startswith("--"):
            yield Use("css-var", "var()", client_table.FUNCTIONS["var"])
        for function in _FUNCTION.findall(value):
            if function in client_table.FUNCTIONS:
                yield Use(f"css-{function}", f"{function}()", client_table.FUNCTIONS[function])
        for unit in _UNIT.findall(value):
            if unit in client_table.UNITS:
                yield Use(f"css-unit-{unit}", f"the unit {unit}", client_table.UNITS[unit])


# ---------------------------------------------------------------- HTML


def _tag(tag: markup.Tag) -> Iterator[Use]:
    if tag.name in client_table.ELEMENTS:
        yield Use(f"html-{tag.name}", f"<{tag.name}>", client_table.ELEMENTS[tag.name])
    if tag.name.startswith("/") or not (tag.rest or tag.name == "input"):
        return
    attributes = tag.attributes()
    if tag.name == "input" and (kind := attributes.get("type", "text").lower()) in client_table.INPUTS:
        yield Use(f"html-input-{kind}", f'<input type="{kind}">', client_table.INPUTS[kind])
    for name, support in client_table.ATTRIBUTES.items():
        if name in attributes:
            yield Use(f"html-attribute-{name}", f"the attribute {name}", support)
    if tag.name == "img":
        source = attributes.get("src", "").strip().lower()
        extension = _EXTENSION.search(source[-100:])
        kind = "data" if source.startswith("data:") else "" if extension is None else extension[1]
        if kind in client_table.IMAGES:
            name = "an image in its own address (data:)" if kind == "data" else f"an image of type {kind}"
            yield Use(f"image-{kind}", name, client_table.IMAGES[kind])
