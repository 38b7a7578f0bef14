"""The commands, one module per group; importing this enters all of them into the registry."""

from collections.abc import Mapping
from typing import Final

from ..command import REGISTRY, Spec
from . import (
    acl,
    append,
    auth,
    copy,
    fetch,
    idle,
    listing,
    mailbox,
    metadata,
    misc,
    multisearch,
    notify,
    quota,
    search,
    select,
    sort,
    store,
)

COMMANDS: Final[Mapping[str, Spec]] = REGISTRY

__all__ = [
    "COMMANDS", "acl", "append", "auth", "copy", "fetch", "idle", "listing", "mailbox", "metadata",
    "misc", "multisearch", "notify", "quota", "search", "select", "sort", "store",
]  # fmt: skip
