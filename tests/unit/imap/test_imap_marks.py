"""What SELECT asks the store at once is what one finds copy by copy."""

import hypothesis.strategies as st
from hypothesis import given, settings

from mailtrap.store.base import Store

from .conftest import World

ACTIONS = st.lists(
    st.tuples(st.sampled_from(["put", "seen", "unseen", "work", "rest", "expunge", "renumber"]), st.integers(1, 12)),
    max_size=25,
)


@settings(deadline=None)
@given(ACTIONS)
def test_marks(actions):
    world = World()
    world.account()
    box = world.mailbox().id
    for action, uid in actions:
        if action == "put":
            world.put(flags=["\\Seen"] if uid % 2 else [])
        elif action == "expunge":
            world.store.expunge(box, [uid])
        elif action == "renumber":
            world.store.renumber(box)
        else:
            flag = "work" if action in ("work", "rest") else "\\Seen"
            world.store.set_flags(box, [uid], [flag], "remove" if action in ("unseen", "rest") else "add")
        assert world.store.marks(box) == Store.marks(world.store, box)
