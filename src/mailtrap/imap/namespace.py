"""How mailboxes are called on the wire: separator, prefix, and other users' mailboxes (RFC 2342; RFC 9051, 5.1).

The store separates with ``/``. Where the separator is ``.``, the two change places, so that every name a mailbox can
have is exactly one name on the wire. With a prefix (``INBOX.``) all mailboxes of one's own but INBOX lie below it.
"""

from functools import lru_cache
from typing import Final, NamedTuple

from ..config import Live
from ..message.address import Address
from ..store.directory import canonical
from ..store.rows import INBOX, Key

_CHANGED: Final = str.maketrans("/.", "./")


class Place(NamedTuple):
    """Whose mailbox a name means, and how the store calls it.

    Attributes:
        owner: the address of its account; None: one's own.
    """

    owner: str | None
    name: str


class OutsideNamespaces(ValueError):
    """A name that lies in none of the namespaces."""


class Namespace(NamedTuple):
    """The names of one session.

    Attributes:
        separator: between the levels of a name.
        prefix: of one's own mailboxes but INBOX, with the separator at its end; ``""``: none.
        others: of other users' mailboxes, with the separator at its end; ``""``: they cannot be named.
    """

    separator: str
    prefix: str
    others: str

    @classmethod
    def of(cls, live: Live) -> "Namespace":
        """What the settings say."""
        return _made(live.imap_separator, live.imap_namespace, live.imap_other_users)

    def locate(self, name: str) -> Place:
        """What a name on the wire means.

        Raises:
            OutsideNamespaces: nothing.
        """
        if self.others and name.startswith(self.others):
            owner, _, rest = name[len(self.others) :].partition(self.separator)
            return Place(Address(self._changed(owner)).account, canonical(self._changed(rest)))
        if not self.prefix or name.upper() == INBOX:
            return Place(None, canonical(self._changed(name)))
        start = name[: len(self.prefix)]
        inside = start == self.prefix or (start[:5].upper() == INBOX and INBOX + start[5:] == self.prefix)
        stored = canonical(self._changed(name[len(self.prefix) :]))
        if not inside or stored == INBOX:  # which has a name already
            raise OutsideNamespaces(f"the name should begin with {self.prefix}")
        return Place(None, stored)

    def told(self, owner: Key, name: str, mine: Key) -> str:
        """The name on the wire of a mailbox.

        Args:
            owner: whose it is.
            name: as the store calls it.
            mine: the account of the session.
        """
        changed = self._changed(name)
        if owner != mine:
            return f"{self.others}{self._changed(owner.address)}{self.separator}{changed}"
        return INBOX if name == INBOX else self.prefix + changed

    def superiors(self, name: str) -> list[str]:
        """The names above a name on the wire, the highest first."""
        return [name[:position] for position, character in enumerate(name) if character == self.separator]

    # A subscription is a name, whether there is such a mailbox or not. It is kept in the store's form, without prefix.

    def kept(self, place: Place) -> str:
        """How a subscription to a mailbox is kept."""
        if place.owner is None:
            return place.name
        return f"{self.others[:-1]}/{place.owner}/{place.name}"

    def told_kept(self, subscription: str) -> str:
        """The name on the wire of a subscription."""
        if self.others and subscription.startswith(f"{self.others[:-1]}/"):
            return self.others + self._changed(subscription[len(self.others) :])
        return INBOX if subscription == INBOX else self.prefix + self._changed(subscription)

    def _changed(self, name: str) -> str:
        return changed(name, self.separator)


def changed(name: str, separator: str) -> str:
    """A name on the wire as the store has it, and the other way round."""
    return name if separator == "/" else name.translate(_CHANGED)


@lru_cache(maxsize=64)
def _made(separator: str, prefix: str, others: str) -> Namespace:
    return Namespace(separator, prefix and prefix + separator, others and others + separator)
