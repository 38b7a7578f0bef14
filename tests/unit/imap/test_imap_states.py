"""Each command in each state that it is not for, with and without arguments, and what may not follow it."""

import pytest

from mailtrap.imap.command import AUTHENTICATED, NOT_AUTHENTICATED, SELECTED
from mailtrap.imap.commands import COMMANDS

from .conftest import World

STATES = {
    NOT_AUTHENTICATED: lambda world: world.connect(), AUTHENTICATED: lambda world: world.login(),
    SELECTED: lambda world: world.select(),
}  # fmt: skip
# Arguments that are right, for commands that need some.
ARGUMENTS = {
    "APPEND": "INBOX", "AUTHENTICATE": "PLAIN", "CANCELUPDATE": '"a"', "COPY": "1 INBOX", "ESEARCH": "ALL",
    "FETCH": "1 FLAGS", "LOGIN": "a b", "MOVE": "1 INBOX", "SEARCH": "ALL", "SORT": "(DATE) UTF-8 ALL",
    "STORE": "1 +FLAGS (x)", "THREAD": "REFS UTF-8 ALL",
}  # fmt: skip


def world():
    world = World(starttls="offered")
    world.put()
    return world


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", sorted(COMMANDS))
def test_in_a_state_that_it_is_not_for(verb, state):
    spec = COMMANDS[verb]
    if state in spec.states:
        return
    client = STATES[state](world())
    for prefix in ("", *(["UID "] if spec.has_uid else [])):
        for arguments in ("", " " + ARGUMENTS.get(verb, "x"), ' "unclosed', " ((("):
            said = client.bad(f"{prefix}{verb}{arguments}")
            assert "[CLIENTBUG]" in said or "Unknown command" in said, (prefix, arguments, said)
    assert client.ok("NOOP")
    assert not client.world.errors


@pytest.mark.parametrize("verb", sorted(COMMANDS))
def test_without_what_it_needs_and_with_what_it_does_not(verb):
    spec = COMMANDS[verb]
    state = next(state for state in (SELECTED, AUTHENTICATED, NOT_AUTHENTICATED) if state in spec.states)
    client = STATES[state](world())
    if spec.arguments is True:
        for nothing in ("", " ", "  x"):
            client.bad(verb + nothing)
    elif spec.arguments is False:
        for something in (" x", " ", ' ""', " ()"):
            client.bad(verb + something)
    for fault in (" (", ' "', " {x}", " \x01", " )", " " + "(" * 200):
        _, tagged = client.raw(f"{verb}{fault}")
        assert tagged.startswith((b"BAD ", b"NO ")), (fault, tagged)
    assert client.closed is None
    assert client.ok("NOOP")
    assert not client.world.errors


@pytest.mark.parametrize("verb", sorted(verb for verb, spec in COMMANDS.items() if not spec.has_uid))
def test_no_uid_before_it(verb):
    client = world().select()
    assert "Unknown command" in client.bad(f"UID {verb} 1")
