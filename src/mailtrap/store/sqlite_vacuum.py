"""Gives the pages of an SQLite file that nothing uses any more back to the file system, in small steps.

A file can do so if it was made with ``auto_vacuum = INCREMENTAL``, which is said before its first table; in any other
only VACUUM changes that, which writes the whole file anew and is never done unasked. There free pages wait for use.
"""

import logging
import sqlite3
from typing import Final

STEP: Final = 64  # pages of one step: each that is in use is read, written elsewhere and pointed to anew
SPARE: Final = 64  # pages that may stay free, for what comes next
SHARE: Final = 8  # one page in so many may, too: where old mail makes room for new, nothing is moved about
LOG: Final = 8 * 1024 * 1024  # octets that the log is cut back to when it begins anew, after a large removal


class Vacuum:
    """What is free in one file. It is used in the thread that writes the file, while nothing waits to be written.

    Args:
        db: the connection that writes, between two transactions.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._due = True  # whoever had the file before may not have come to it
        self._moved = False  # the file has not been cut since
        db.execute(f"PRAGMA journal_size_limit = {LOG}")
        # Debian's SQLite overwrites all that is removed: every page of it would go through the log, and on a full disk
        # nothing could be removed to make room. FAST overwrites what costs no write.
        db.execute("PRAGMA secure_delete = FAST").fetchall()

    def wake(self) -> None:
        """Something was removed, or may have been."""
        self._due = True

    def step(self) -> bool:
        """Give at most ``STEP`` pages back, as one commit; whether there may be more to do.

        What goes wrong is logged, and tried again after the next removal: a full disk, say, has no room for the log.
        """
        if self._due:
            try:
                self._due = self._step()
            except sqlite3.Error as error:
                self._due = False
                logging.getLogger("mailtrap.store").warning("the file was not made smaller: %s", error)
        return self._due

    def _step(self) -> bool:
        db = self._db
        if db.in_transaction:  # left by a roll-back that failed: the next job sees to it
            return False
        if self._number("auto_vacuum") != 2:  # INCREMENTAL
            return False
        pages = self._number("freelist_count") - max(SPARE, self._number("page_count") // SHARE)
        if pages > 0:
            # a statement for each page; as a script, for ``execute`` stops after the first
            db.executescript(f"PRAGMA incremental_vacuum({min(pages, STEP)})")
            self._moved = True
            return True
        if self._moved:  # the file itself is cut when the log is written into it; readers that need the log stop that
            db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self._moved = False
        return False

    def _number(self, pragma: str) -> int:
        (number,) = self._db.execute(f"PRAGMA {pragma}").fetchone()
        return int(number)
