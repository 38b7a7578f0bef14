"""What the server's JSON describes, as the classes that a server in the process has."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .. import clock
from ..delivery.refusal import Refusal
from ..errors import MailtrapError
from ..message.address import Address
from ..message.envelope import Envelope
from ..store.rows import CopyRow, Key, MailboxRow, MessageRow, Status
from ..transcript import TLS, Session
from .client import Client

Json = Mapping[str, Any]


class RemoteRow(MessageRow):
    """A message's row; its id is the server's."""

    __slots__ = ("_id",)

    def __init__(self, described: Json, client: Client) -> None:
        super().__init__(
            described["seq"], described["scope"], described["origin"], described["received_at_seconds"],
            described["size"], described["size"], envelope(described["envelope"]),
            RemoteSession(described["session"], client), described["transcript"].encode("utf-8", "replace"),
        )  # fmt: skip
        self._id: str = described["id"]

    @property
    def id(self) -> str:
        """As the server gave it."""
        return self._id


class RemoteSession(Session):
    """The record of a connection as it was when it was asked for; its transcript is fetched when it is wanted."""

    __slots__ = ("_client", "_text")

    def __init__(self, described: Json, client: Client) -> None:
        host, port = described["peer"]
        super().__init__(
            described["protocol"], (host, port), described["listener"], scope=described["scope"], id=described["id"]
        )
        self._client = client
        self._text: str | None = described.get("transcript")
        self.opened_at = described["opened_at_seconds"]
        self.closed_at = described["closed_at_seconds"]
        self.helo, self.user, self.mechanism = described["helo"], described["user"], described["mechanism"]
        self.transaction = described["transaction"]
        if not described["open"]:
            self._log = None
        if (tls := described["tls"]) is not None:
            certificate = tls["client_certificate"]
            self.tls = TLS(
                tls["version"], tls["cipher"], tls["server_name"],
                None if certificate is None else bytes.fromhex(certificate),
            )  # fmt: skip

    @property
    def transcript(self) -> str:
        """Everything kept of the conversation; empty where the server has forgotten the connection."""
        if self._text is None:
            try:
                text = str(self._client.json("GET", f"/sessions/{self.id}")["transcript"])
            except MailtrapError:
                text = ""
            if self.open:
                return text  # more may come
            self._text = text
        return self._text

    def disconnect(self) -> None:
        """End the connection as if the network had failed."""
        self._client.json("POST", f"/sessions/{self.id}/disconnect")


class RemoteRefusal(Refusal):
    """Something that was turned away; its bytes are fetched when they are wanted."""

    __slots__ = ("_bytes", "_client", "_has_raw")

    def __init__(self, described: Json, client: Client) -> None:
        self._client = client
        self._has_raw = bool(described["has_raw"])
        self._bytes: bytes | None = None
        self.id = described["id"]
        self.stage = described["stage"]
        self.reply = described["reply"]
        self.envelope = envelope(described["envelope"])
        self.session = RemoteSession(described["session"], client)
        self.scope = described["scope"]
        self.size = described["size"]
        self._at = described["at_seconds"]

    @property
    def raw(self) -> bytes | None:  # type: ignore[override]
        """The mail's bytes as far as they were kept; None where none had come."""
        if self._bytes is None and self._has_raw:
            self._bytes = self._client.raw("GET", f"/refused/{self.id}/raw")
        return self._bytes


def envelope(described: Json) -> Envelope:
    """An envelope."""
    return Envelope(
        Address(described["mail_from"]), [Address(recipient) for recipient in described["recipients"]],
        described["mail_parameters"], described["recipient_parameters"],
    )  # fmt: skip


def mailbox(described: Json) -> MailboxRow:
    """A mailbox."""
    return MailboxRow(
        described["id"], Key(described["scope"], described["account"]), described["name"], described["uidvalidity"],
        described["uidnext"], described["highestmodseq"], frozenset(described["special_use"]), described["selectable"],
        described["acl"],
    )  # fmt: skip


def status(described: Json) -> Status:
    """A mailbox's counts."""
    return Status(
        described["messages"], described["unseen"], described["deleted"], described["recent"], described["size"],
        described["deleted_size"],
    )  # fmt: skip


def annotations(described: Json) -> dict[str, bytes]:
    """Annotations."""
    return {name: base64.b64decode(value) for name, value in described.items()}


def copy(described: Json, client: Client) -> CopyRow:
    """A copy."""
    return CopyRow(
        described["uid"], RemoteRow(described["message"], client), frozenset(described["flags"]), described["modseq"],
        described["internal_date_seconds"], described["internal_date_seconds"],
    )  # fmt: skip


def raw(described: Json) -> bytes | None:
    """The bytes that came along with a message; None where it is too large for that."""
    encoded = described.get("raw")
    return None if encoded is None else base64.b64decode(encoded)


def moment(seconds: float | None) -> str | None:
    """A time as the server takes it."""
    return None if seconds is None else clock.to_datetime(seconds).isoformat()


def as_datetime(text: str | None) -> datetime | None:
    """A time as the server gives it."""
    return None if text is None else datetime.fromisoformat(text)
