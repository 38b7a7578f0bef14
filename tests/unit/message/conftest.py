from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings

from mailtrap.message.address import Address
from mailtrap.message.envelope import Envelope
from mailtrap.message.model import Message
from mailtrap.store.rows import MessageRow

# A busy machine is no defect.
settings.register_profile("mailtrap", deadline=None)
settings.load_profile("mailtrap")

DATA = Path(__file__).parents[2] / "data"


class Owner:
    """A server as messages see it: bytes by seq, counted look-ups."""

    def __init__(self) -> None:
        self.raws: dict[int, bytes] = {}
        self.asked: list[int] = []
        self.rows: dict[int, Any] = {}

    def _raw(self, seq: int) -> bytes:
        self.asked.append(seq)
        return self.raws[seq]

    def _copies(self, seq: int) -> Sequence[Any]:
        return [("copies of", seq)]

    def _copy_row(self, mailbox: Any, uid: int) -> Any:
        return self.rows.get(uid)


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def eml() -> Callable[[str], bytes]:
    return lambda name: (DATA / f"{name}.eml").read_bytes()


@pytest.fixture
def make(owner: Owner) -> Callable[..., Message]:
    """A message of these bytes (a str is UTF-8 with CRLF)."""

    def make(
        raw: bytes | str, recipients: Sequence[str] = ("bob@example.com",), mail_from: str = "a@example.com", **row: Any
    ) -> Message:
        if isinstance(raw, str):
            raw = raw.replace("\n", "\r\n").encode()
        seq = len(owner.raws) + 1
        owner.raws[seq] = raw
        envelope = Envelope(Address(mail_from), [Address(recipient) for recipient in recipients])
        known = {"scope": "", "origin": "smtp", "received_at": 1709287200.5, "session": None, "transcript": b""} | row
        return Message(MessageRow(seq=seq, size=len(raw), served_size=len(raw), envelope=envelope, **known), owner)

    return make


@pytest.fixture
def mailbox() -> Any:
    return SimpleNamespace(name="INBOX", account=SimpleNamespace(address=Address("bob@example.com")))
