"""A folder for each test whose mail is kept: every message as .eml, the conversations, and a page to start from.

Invariants: a folder holds nothing of ours but the files named below, so it may be shared with other tools; only such
files are ever removed. Names are ASCII, short, and differ where node ids do, also where case or odd characters do not
count. What is left out for its size is said on the page.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mailtrap import StoreError

from .artifact_page import GENERATOR, Entry, page
from .found import Found, readable

if TYPE_CHECKING:
    from mailtrap import Session

PAGE: Final = "index.html"
TRANSCRIPT: Final = "transcript.txt"
OCTETS: Final = 64 * 1024 * 1024  # of all messages of one test
SLUG: Final = 80  # characters of a folder's name before its digest
SUBJECT: Final = 40  # characters of a subject in a file's name
_OURS: Final = re.compile(r"index\.html|transcript\.txt|(refused-)?\d{3,}(-[A-Za-z0-9-]+)?\.eml")


def folder_name(nodeid: str, worker: str = "") -> str:
    """The name of a test's folder.

    Args:
        worker: of pytest-xdist, where several run the same test.
    """
    digest = hashlib.sha256(nodeid.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    slug = _slug(nodeid, SLUG) or "test"
    return "-".join(part for part in (slug, digest, worker) if part)


def write(folder: Path, nodeid: str, outcome: str, reason: str, found: Found) -> Path:
    """Write the files of one test, in place of what an earlier attempt at it wrote.

    Args:
        outcome: ``"failed"``, ``"error at teardown"``, ``"passed"``.
        reason: why it failed; "" when it did not.

    Returns:
        The page.

    Raises:
        OSError: they could not be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _remove_ours(folder)
    messages = _messages(folder, found)
    refused = []
    for number, refusal in enumerate(found.refused, 1):
        name = ""
        if refusal.raw is not None:
            name = f"refused-{number:03}.eml"
            (folder / name).write_bytes(refusal.raw)
        refused.append((refusal, name))
    _write_text(folder / TRANSCRIPT, "\n".join(transcript(found)))
    _write_text(folder / PAGE, page(nodeid, outcome, reason, found, messages, refused, TRANSCRIPT))
    return folder / PAGE


def _messages(folder: Path, found: Found) -> list[Entry]:
    """Write the messages, the newest first as long as there is room; all of them, oldest first."""
    entries = []
    left = OCTETS
    for number, message in reversed([*enumerate(found.messages, found.older + 1)]):
        if message.size > left:
            entries.append(Entry(message, "", f"not kept: the messages of a test are kept up to {OCTETS} octets"))
            continue
        try:
            raw = message.raw
        except StoreError as error:
            entries.append(Entry(message, "", f"not kept: {error}"))
            continue
        left -= len(raw)
        subject = _slug(message.subject, SUBJECT)
        name = f"{number:03}-{subject}.eml" if subject else f"{number:03}.eml"
        (folder / name).write_bytes(raw)
        entries.append(Entry(message, name, ""))
    return entries[::-1]


def transcript(found: Found) -> Iterator[str]:
    """The lines of all conversations, oldest first; secrets are redacted by the server."""
    sessions = {session.id: session for session in found.sessions}
    for message in found.messages:  # a connection from which a message came may be older than those that are kept
        if message.transcript and message.session.id not in sessions:
            sessions[message.session.id] = message.session
    for session in sorted(sessions.values(), key=lambda session: session.id):
        yield f"=== {_session(session)}"
        yield readable(session.transcript.rstrip("\n"))
        yield ""
    if found.errors:
        yield "=== errors of the server"
        yield from (readable(f"{type(error).__name__}: {error}") for error in found.errors)


def _session(session: "Session") -> str:
    about = [session.protocol, f"from {session.peer[0]}:{session.peer[1]}"]
    about += [f"as {session.user}"] if session.user else []
    about += [session.tls.version] if session.tls else []
    about += ["open"] if session.open else []
    return readable(" ".join([session.id, *about]))


def clean(output: Path) -> None:
    """Remove what earlier runs wrote. Folders that others use too stay, without our files."""
    if not output.is_dir():
        return
    for folder in output.iterdir():
        if folder.is_dir() and not folder.is_symlink() and _is_ours(folder / PAGE):
            with suppress(OSError):  # somebody else's now, or being read: it is written over when its turn comes
                _remove_ours(folder)
                folder.rmdir()


def _is_ours(file: Path) -> bool:
    try:
        with file.open("rb") as beginning:
            return GENERATOR.encode() in beginning.read(500)
    except OSError:
        return False


def _remove_ours(folder: Path) -> None:
    if _is_ours(folder / PAGE):
        for file in folder.iterdir():
            if _OURS.fullmatch(file.name):
                file.unlink()


def _slug(text: str, length: int) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text)[: length + 1].strip("-")[:length].strip("-")


def _write_text(file: Path, text: str) -> None:
    file.write_bytes(text.encode("utf-8", "replace"))
