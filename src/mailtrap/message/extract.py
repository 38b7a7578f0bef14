"""What tests take out of a mail: links and one-time codes."""

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from . import markup
from .parse import Mail

if TYPE_CHECKING:
    from .model import Link

_URL: Final = re.compile(r"""\b(?:https?|ftp)://[^\s<>"`{}|\\^\x00-\x1f\x7f]{1,4000}""", re.IGNORECASE)
_TRAILING: Final = ".,;:!?'\"*_~…»”’"
_BRACKETS: Final = {")": "(", "]": "["}


def urls(text: str) -> list[str]:
    """URLs in plain text, in order, without the punctuation of the sentence around them."""
    found: list[str] = []
    for match in _URL.finditer(text):
        url = match.group()
        while url:
            last = url[-1]
            # a bracket is the URL's own when it was opened in it
            if last in _TRAILING or (last in _BRACKETS and url.count(last) > url.count(_BRACKETS[last])):
                url = url[:-1]
            else:
                break
        if not url.endswith("//"):
            found.append(url)
    return found


def links(mail: Mail) -> list["Link"]:
    """Anchors of the HTML, then URLs in the text that no anchor has. The same link twice counts once."""
    from .model import Link

    html = mail.html
    found = [] if html is None else [Link(*anchor) for anchor in markup.anchors(html)]
    known = {link.href for link in found}
    found += [Link(url, url) for url in urls(mail.plain) if url not in known and f"{url}/" not in known]
    return list(dict.fromkeys(found))


# ---------------------------------------------------------------- one-time codes

# What a code is called. A word that ends in "code" is one unless it names another kind of code.
_CONTEXT: Final = re.compile(
    r"\b(?:(?P<kind>[\w-]{0,20}?)[\s-]?(?:codes?|kods?|kode)|otp|totp|pin|tan|mtan|passcodes?|one[-\s]time\s+pass(?:word)?|"
    r"verification|2fa|token|einmal\w*|bestätigungs\w*|verifizierungs\w*|sicherheits\w*|freischalt\w*|"
    r"código|codigo|codice|clave|验证码|認証コード|確認コード|кода?|πιν)\b|验证码|認証コード|確認コード",
    re.IGNORECASE,
)
_OTHER_CODES: Final = frozenset((
    "promo", "promotion", "promotional", "discount", "coupon", "voucher", "gift", "zip", "postal", "post",
    "area", "country", "dial", "error", "status", "source", "qr", "bar", "sort", "swift", "product", "item",
    "color", "colour", "reason", "exit", "dress", "gutschein", "rabatt", "aktions", "fehler", "produkt",
    "artikel", "länder", "fiscal", "reference", "referral", "booking",
))  # fmt: skip
_OTHER_NUMBER: Final = re.compile(
    r"(?:\b(?:order|invoice|ticket|case|reference|ref|customer|account|member|tracking|booking|phone|tel|fax|call|"
    r"article|item|bestell\w*|rechnung\w*|kunden\w*|auftrag\w*|vorgang\w*|telefon|nummer|number|version|no|nr|id)\b"
    r"[.:#\s]*|[#+$€£¥]\s*)\Z",
    re.IGNORECASE,
)
_CANDIDATE: Final = re.compile(
    r"(?<![\w.,:/+#$€£¥-])(?:"
    r"(?P<spaced>\d(?:[ \t]\d){3,7}|\d{3}[ \t]\d{3}|\d{4}[ \t]\d{4})|"
    r"[A-Z]{1,3}-\d{4,8}|"
    r"[A-Za-z0-9]{2,6}(?:-[A-Za-z0-9]{2,6}){1,3}|"
    r"[A-Za-z0-9]{4,10}"
    r")(?![\w/+€£¥%-]|[.,:]\d)"
)
_UNITS: Final = re.compile(
    r"\s*(?:%|€|\$|£|usd|eur|gbp|chf|points?|minutes?|minuten|mins?|hours?|stunden|seconds?|sekunden|secs?|days?|tage|"
    r"years?|jahre|mb|kb|gb|characters?|digits?|stellig|items?)\b",
    re.IGNORECASE,
)
_MORE_DIGITS_BEFORE: Final = re.compile(r"[+\d)][ \t]\Z")
_MORE_DIGITS: Final = re.compile(r"[ \t]\(?\d")
_SENTENCE_END: Final = re.compile(r"[.!?;](?:\s|\Z)|[\n\r]\s*[\n\r].*\S.*[\n\r]", re.DOTALL)
_NEAREST: Final = 3  # context words on each side of a candidate that are looked at
_LOOKED_AT: Final = 200_000  # characters of a text
_BEFORE: Final = 60  # characters between a context word and the code behind it
_AFTER: Final = 45  # between a code and the context word behind it
_DIRECT: Final = re.compile(r"\s*(?:is|ist|lautet|es|est|:|=|-|–|—|are)?\s*[:=]?\s*\Z", re.IGNORECASE)
_YEAR: Final = re.compile(r"(?:19|20)\d\d\Z")
_DATE_LIKE: Final = re.compile(r"\d{1,4}-\d{1,2}-\d{1,4}\Z")


def codes(mail: Mail) -> list[str]:
    """One-time codes in text, then subject: without spaces, hyphens kept; each once."""
    return list(dict.fromkeys([*find_codes(mail.plain), *find_codes(mail.text_value(b"subject") or "")]))


def find_codes(text: str) -> list[str]:
    """Codes in a text: what looks like one and has a context word near it.

    Near is in the same sentence, or a line of its own below. Years, prices, phone numbers, dates, durations and numbers
    that are called something else are none.
    """
    text = text[:_LOOKED_AT]
    contexts = [match.span() for match in _CONTEXT.finditer(text) if not _is_other(match)]
    if not contexts:
        return []
    begins = [begin for begin, _ in contexts]
    urls_at = [match.span() for match in reversed(list(_URL.finditer(text)))]  # a stack, the next on top
    found: list[str] = []
    for match in _CANDIDATE.finditer(text):
        code, start, end = match.group(), match.start(), match.end()
        while urls_at and urls_at[-1][1] <= start:
            urls_at.pop()
        if (urls_at and urls_at[-1][0] <= start) or not (code.isupper() or any(map(str.isdigit, code))):
            continue
        place = bisect_left(begins, start)
        before = [span for span in contexts[max(0, place - _NEAREST) : place] if span[1] <= start]
        behind = [span for span in contexts[place : place + _NEAREST] if end <= span[0] <= end + _AFTER]
        direct = any(_DIRECT.match(text[stop:start]) is not None for _, stop in before)
        near = direct or any(_near_before(text, text[stop:start], start, end) for _, stop in before)
        near = near or any(_near_behind(text[end:begin]) for begin, _ in behind)
        if near and _is_code(text, match, direct):
            found.append(re.sub(r"[ \t]", "", code) if match["spaced"] else code)
    return list(dict.fromkeys(found))


def _near_behind(gap: str) -> bool:
    """Whether a code that stands before a context word belongs to it."""
    return "\n" not in gap.strip() and _SENTENCE_END.search(gap) is None


def _is_other(match: re.Match[str]) -> bool:
    kind = (match["kind"] or "").lower().strip("-")
    if not kind:
        before = match.string[max(0, match.start() - 20) : match.start()].lower().split()
        kind = before[-1].strip("-") if before and not match.string[: match.start()].endswith("\n") else ""
    return kind in _OTHER_CODES


def _near_before(text: str, gap: str, start: int, end: int) -> bool:
    """Whether a code that stands behind a context word belongs to it."""
    if len(gap) > 4 * _BEFORE:
        return False
    if len(gap) <= _BEFORE and _SENTENCE_END.search(gap) is None and gap.strip(" \t").count("\n") <= 2:
        return True
    # A line of its own, as codes are shown in large type: whatever the sentence before says.
    before, behind = text[max(0, start - _BEFORE) : start], text[end : end + _BEFORE]
    alone = not before.rpartition("\n")[2].strip() and not behind.partition("\n")[0].strip()
    lines = [line for line in gap.split("\n")[1:-1] if line.strip()]
    return alone and len(lines) <= 1


def _is_code(text: str, match: re.Match[str], direct: bool) -> bool:
    """Whether it looks like a code, not like a number of another kind."""
    code = match.group()
    bare = re.sub(r"[-\s]", "", code)
    if _DATE_LIKE.match(code) or _UNITS.match(text, match.end()):
        return False
    if _OTHER_NUMBER.search(text[max(0, match.start() - 20) : match.start()]) is not None:
        return False
    if _MORE_DIGITS_BEFORE.search(text[max(0, match.start() - 4) : match.start()]) or _MORE_DIGITS.match(
        text, match.end()
    ):
        return False  # groups of a phone number
    if match["spaced"]:
        return True
    if bare.isdigit():
        if not 4 <= len(bare) <= 8:
            return False
        return direct or "-" in code or _YEAR.match(bare) is None
    if not 4 <= len(bare) <= 16:
        return False
    if any(char.isdigit() for char in bare):
        # capitals, or a group that mixes letters and digits; not an ordinal, a unit or a version
        return bare == bare.upper() or (direct and re.match(r"\d+[a-z]+\Z|[a-z]+\d+\Z", bare) is None)
    return direct and bare == bare.upper() and len(bare) >= 5


def search_codes(mail: Mail, pattern: str | re.Pattern[str]) -> list[str]:
    """What a pattern finds in text and subject: its first group where it has one; each once."""
    compiled = re.compile(pattern) if isinstance(pattern, str) else pattern
    found: list[str] = []
    for text in (mail.plain, mail.text_value(b"subject") or ""):
        for match in compiled.finditer(text):
            value = match.group(1) if compiled.groups else match.group()
            if value:
                found.append(value)
    return list(dict.fromkeys(found))
