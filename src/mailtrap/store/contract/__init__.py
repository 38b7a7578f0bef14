"""The contract's test suite: what every store must do, whoever wrote it.

Subclass it in a test module and say how a store is made::

    class TestMyStore(PersistentStoreContract):
        def make(self, path):
            return MyStore(path / "mail")

It needs pytest, and hypothesis for the one test that compares the store with a model. For readable failures call
``pytest.register_assert_rewrite("mailtrap.store.contract")`` in a ``conftest.py``.
"""

from .accounts import Accounts, Mailboxes
from .copies import Copies, Filed, TheRest
from .deliveries import Deliveries, Hints
from .messages import Messages, Record
from .reopening import Reopening
from .shared import Shared
from .sharing import Annotations, Audience, Quotas, Replacing, Rights

__all__ = ["PersistentStoreContract", "SharedStoreContract", "StoreContract"]


class StoreContract(
    Deliveries, Hints, Messages, Record, Accounts, Mailboxes, Copies, Quotas, Replacing, Rights, Annotations, Audience,
    Filed, TheRest,
):  # fmt: skip
    """Tests of everything that ``mailtrap.store.base`` promises. ``examples``: how many histories the model tries."""


class PersistentStoreContract(StoreContract, Reopening):
    """The same for a store that finds again what it kept: ``make`` with the same path opens it anew."""


class SharedStoreContract(PersistentStoreContract, Shared):
    """The same for a store that several servers may have open: ``make`` with the path of an open one opens another.

    The model is compared with two of them, of which now one and now the other is used.
    """

    servers = 2
