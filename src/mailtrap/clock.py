"""The one module that reads a clock or sleeps.

The functions are kept in a tuple, not as module attributes: tools that freeze time replace attributes of
loaded modules, and deadlines and ``received_at`` must use the real clock even where a test froze time. One of them,
time-machine, changes the functions themselves, and has a way around that.
"""

import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

_REAL: Final = (time.time, time.monotonic, time.sleep)
_MODULES: Final = sys.modules
_EPOCH: Final = (datetime(1970, 1, 1, tzinfo=UTC), timedelta)


def now() -> float:
    """Seconds since the Unix epoch."""
    return _travelled() if "time_machine" in _MODULES else _REAL[0]()  # it is asked several times for each message


def _travelled() -> float:
    hatch = getattr(sys.modules["time_machine"], "escape_hatch", None)
    if hatch is not None and hatch.is_travelling():
        with suppress(ValueError):  # it stopped travelling this very moment
            return float(hatch.time.time())
    return _REAL[0]()


def monotonic() -> float:
    """Seconds on a clock that never goes back."""
    return _REAL[1]()


def yield_interpreter() -> None:
    """Let another thread have the interpreter, without sleeping."""
    _REAL[2](0)


def sleep(seconds: float) -> None:
    """Block the calling thread for so many seconds."""
    _REAL[2](seconds)


def to_datetime(seconds: float) -> datetime:
    """An aware UTC datetime of seconds since the epoch (built by addition, so no clock is asked)."""
    epoch, delta = _EPOCH
    return epoch + delta(seconds=seconds)
