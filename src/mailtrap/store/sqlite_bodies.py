"""What the bytes of a message are in an SQLite file: as they came, or compressed by Zstandard.

Compressed is what is large and becomes smaller by it, before the thread that writes hears of it. Sizes are always those
of the mail. A file may have both forms, so the option can be given and taken away at any start.
"""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from ..errors import ConfigError, StoreError
from .rows import Delivery

PLAIN: Final = 0
ZSTD: Final = 1
SMALL: Final = 2 * 1024  # octets up to which bytes stay as they are: several of them share a page
LARGE: Final = 128 * 1024  # octets of a batch from which it takes longer than a loop of events can be kept
_LEVEL: Final = 3
_THREADS: Final = 2
MISSING: Final = "the library for zstd is not installed; it comes with pip install 'pytest-mailtrap[zstd]'"


def library() -> Any:
    """The module: of Python itself from 3.14 on, before that the one of the same names from PyPI.

    Raises:
        ModuleNotFoundError: it is not there.
    """
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def readable() -> bool:
    """Whether compressed bytes can be read here."""
    try:
        library()
    except ModuleNotFoundError:
        return False
    return True


def unpack(kept: bytes, form: int) -> bytes:
    """The bytes as they came.

    Raises:
        StoreError: they are compressed and the library is missing, or they are damaged.
    """
    if form == PLAIN:
        return kept
    try:
        zstd = library()
    except ModuleNotFoundError as error:
        raise StoreError(f"a message is compressed, and {MISSING}") from error
    try:
        raw: bytes = zstd.decompress(kept)
    except zstd.ZstdError as error:
        raise StoreError(f"the compressed bytes of a message are damaged: {error}") from error
    return raw


@dataclass(slots=True, kw_only=True)
class Packed(Delivery):
    """A delivery whose bytes are compressed already: they are ``packed``; ``raw`` stays what was delivered."""

    packed: bytes


class Packer:
    """Compresses what is worth it.

    Raises:
        ConfigError: the library is missing.
    """

    def __init__(self) -> None:
        try:
            self._zstd = library()
        except ModuleNotFoundError as error:
            raise ConfigError(f"compress=zstd: {MISSING}") from error
        parameter = self._zstd.CompressionParameter
        self._options = {parameter.compression_level: _LEVEL, parameter.checksum_flag: 1}
        self._threads = ThreadPoolExecutor(_THREADS, "mailtrap-zstd")  # begun with the first that is large

    def pack(self, batch: Sequence[Delivery]) -> Sequence[Delivery]:
        """The batch, with what is worth it compressed."""
        return [self._packed(delivery) for delivery in batch]

    def hand(
        self, batch: Sequence[Delivery], put: Callable[[Sequence[Delivery]], None], failed: Callable[[Exception], None]
    ) -> None:
        """Compress and ``put``: at once, or soon in another thread where that takes long. One of the two is called."""

        def run() -> None:
            try:
                packed = self.pack(batch)
            except Exception as error:  # noqa: BLE001  whoever waits is told
                failed(error)
            else:
                put(packed)

        if sum(len(delivery.raw) for delivery in batch) < LARGE:
            run()
            return
        try:
            self._threads.submit(run)
        except RuntimeError:  # it takes no more
            failed(StoreError("the store is closed"))

    def close(self) -> None:
        """Wait for what was handed over."""
        self._threads.shutdown()

    def _packed(self, delivery: Delivery) -> Delivery:
        raw = delivery.raw
        if len(raw) <= SMALL:
            return delivery
        packed = self._zstd.compress(raw, options=self._options)
        if not worth(len(raw), len(packed)):
            return delivery
        return Packed(
            delivery.scope, delivery.origin, raw, delivery.envelope, delivery.targets, delivery.session,
            delivery.transcript, delivery.received_at, delivery.replaces, packed=packed,
        )  # fmt: skip


def worth(before: int, after: int) -> bool:
    """Whether so many octets instead of so many are worth the time of each reading."""
    return after <= before - before // 8
