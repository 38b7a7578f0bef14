"""What other servers on the same database commit becomes hints here.

The thread listens in a connection of its own. When that is lost, another is made, and then what happened meanwhile is
asked for: a lost notification costs time, never a hint.
"""

import json
import logging
import selectors
import socket
import threading
from collections.abc import Callable
from typing import Final

import psycopg

from .hints import Outcome, Teller
from .postgres_connections import Database, first_line
from .postgres_work import CHANNEL
from .rows import Key
from .sql_values import untext

_SOON: Final = 0.05  # seconds until the connection is tried again, at first and at most
_LATE: Final = 1.0


class Listener:
    """Listens until it is closed.

    Args:
        server: the name in this server's own notifications, whose hints are told already.
    """

    def __init__(self, connect: Callable[[], Database], server: str, teller: Teller) -> None:
        self._connect = connect
        self._server = server
        self._teller = teller
        self._closing = threading.Event()
        self._between: list[str] = []  # notified while something was asked: then psycopg takes them in
        db = self._listening()
        # where the store and its mailboxes are, as far as was told
        self._head, self._known, self._accounts = self._state(db)
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, args=(db,), name="mailtrap-listen", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and its connection."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._wake.send(b"x")
        if threading.current_thread() is not self._thread:
            self._thread.join()
            self._wake.close()
            self._woken.close()

    # ------------------------------------------------------------ in the thread

    def _run(self, db: Database | None) -> None:
        log = logging.getLogger("mailtrap.store")
        pause = _SOON
        while not self._closing.is_set():
            try:
                if db is None:
                    db = self._listening()
                    self._catch_up(db)
                    log.info("listening to other servers again")
                pause = _SOON
                self._listen(db)
            except psycopg.Error as error:
                if pause == _SOON:
                    log.warning("not listening to other servers: %s", first_line(error))
                if db is not None:
                    db.close()
                    db = None
                self._closing.wait(pause)
                pause = min(2 * pause, _LATE)
        if db is not None:
            db.close()

    def _listening(self) -> Database:
        db = self._connect()
        db.connection.add_notify_handler(lambda notification: self._between.append(notification.payload))
        try:
            db.execute(f"LISTEN {CHANNEL}")
        except psycopg.Error:
            db.close()
            raise
        return db

    def _state(self, db: Database) -> tuple[int, dict[int, int], frozenset[Key]]:
        """Where the store is, and each mailbox, and which accounts there are."""
        (head,) = db.one("SELECT head FROM head")
        mailboxes = dict(db.execute("SELECT id, modseq FROM mailbox").fetchall())
        accounts = db.execute("SELECT scope, address FROM account").fetchall()
        return head, mailboxes, frozenset(Key(untext(scope), untext(address)) for scope, address in accounts)

    def _catch_up(self, db: Database) -> None:
        """Tell what happened while nobody listened; whose lists of mailboxes changed is not known, so that is all."""
        head, now, accounts = self._state(db)
        changed = {id_: modseq for id_, modseq in now.items() if self._known.get(id_) != modseq}
        changed |= {id_: modseq + 1 for id_, modseq in self._known.items() if id_ not in now}  # they were deleted
        self._teller.tell([Outcome(None, head, changed, True, self._accounts | accounts)])
        self._head, self._known, self._accounts = head, now, accounts

    def _listen(self, db: Database) -> None:
        """Tell what is notified, until the end or an error."""
        connection = db.connection.pgconn
        with selectors.DefaultSelector() as selector:
            selector.register(connection.socket, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._closing.is_set():
                outcomes = [outcome for payload in self._between for outcome in self._heard(payload)]
                self._between.clear()
                while (notify := connection.notifies()) is not None:
                    outcomes += self._heard(notify.extra)
                if outcomes:
                    self._teller.tell(outcomes)
                selector.select()
                connection.consume_input()

    def _heard(self, payload: str | bytes) -> list[Outcome]:
        server, seq, told, keys = json.loads(payload)
        mailboxes = {int(id_): modseq for id_, modseq in told.items()}
        accounts = frozenset(Key(*key) for key in keys)
        self._head = max(self._head, seq)
        self._known.update(mailboxes)
        self._accounts |= accounts
        return [] if server == self._server else [Outcome(None, seq, mailboxes, True, accounts)]
