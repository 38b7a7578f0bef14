"""AUTH, and that no secret gets into any record."""

from base64 import b64encode

import pytest

from mailtrap.hookspecs import Refuse, fast, hookimpl

SECRET = "correct horse battery"


def b64(text):
    return b64encode(text.encode()).decode()


PLAIN = b64(f"\0bob@x\0{SECRET}")
WAYS = {
    "plain, at once": [f"AUTH PLAIN {PLAIN}"],
    "plain, asked": ["AUTH PLAIN", PLAIN],
    "plain, lower case and wide": [f"auth   plain   {PLAIN}"],
    "plain, tabs": [f"AUTH\tPLAIN\t{PLAIN}"],
    "login": ["AUTH LOGIN", b64("bob@x"), b64(SECRET)],
    "login, user at once": [f"AUTH LOGIN {b64('bob@x')}", b64(SECRET)],
    "xoauth2": [f"AUTH XOAUTH2 {b64(f'user=bob@x{chr(1)}auth=Bearer {SECRET}{chr(1)}{chr(1)}')}"],
}


def assert_no_secret(client):
    transcript = client.record.transcript
    for form in (SECRET, b64(SECRET), PLAIN, PLAIN.rstrip("=")[4:-4], b64(SECRET)[:8]):
        assert form not in transcript


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("password", [None, SECRET, "another"])
def test_authentication(make_world, way, password):
    world = make_world(default_password=password)
    client = world.open().hello()
    reply = client.say(*WAYS[way])[-1]
    if password == "another":
        if reply.startswith("334"):  # XOAUTH2 says why first
            reply = client.say("")[-1]
        assert reply.startswith("535 5.7.8")
        assert client.record.user is None
        assert [refusal.stage for refusal in world.refused] == ["AUTH"]
    else:
        assert reply == "235 2.7.0 Authentication successful"
        assert client.record.user == "bob@x"
        assert client.record.mechanism == WAYS[way][0].split()[1].upper()
        assert client.say("AUTH PLAIN")[0].startswith("503 5.5.1")
    client.say("MAIL FROM:<a@x>")
    assert_no_secret(client)
    assert all(SECRET not in refusal.reply for refusal in world.refused)
    assert world.errors == []


def test_responses_that_nobody_asked_for_are_not_recorded_either(world):
    client = world.open().hello()
    client.say("AUTH NONSENSE", b64("bob@x"), b64(SECRET), SECRET)
    assert_no_secret(client)
    assert client.record.transcript.count("***") == 3
    client.say("NOOP", "NONSENSE")
    assert "C 0" in client.record.transcript
    assert "NONSENSE\nS 500" in client.record.transcript


@pytest.mark.parametrize(
    "line",
    [
        f" AUTH PLAIN {PLAIN}",
        f"AUTH PLAIN {PLAIN} {PLAIN}",
        f"AUTH  CRAM-MD5  {PLAIN}",
        f"AUTH {'x' * 20_000}{PLAIN}",
        f"AUTH {PLAIN}",
        f"PASS {SECRET}",
        f"a1 LOGIN bob {SECRET}",
        f"a1 authenticate PLAIN {PLAIN}",
    ],
)
def test_odd_lines_with_credentials(world, line):
    client = world.open().hello()
    assert client.say(line)[0][0] == "5"
    assert_no_secret(client)


def test_no_secret_before_hello(world):
    client = world.open()
    assert client.say(f"AUTH PLAIN {PLAIN}")[0].startswith("503")
    assert_no_secret(client)


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        (["AUTH PLAIN ="], "501 5.5.2"),
        (["AUTH PLAIN !!!"], "501 5.5.2"),
        (["AUTH PLAIN", "*"], "501 5.5.2"),
        (["AUTH PLAIN", "no base64"], "501 5.5.2"),
        (["AUTH LOGIN", b64("bob"), "*"], "501 5.5.2"),
        (["AUTH PLAIN", "A" * 13_000], "501 5.5.2"),
    ],
)
def test_bad_responses_end_the_exchange_and_nothing_else(world, lines, reply):
    client = world.open().hello()
    assert client.say(*lines)[-1].startswith(reply)
    assert client.say("NOOP") == ["250 2.0.0 Ok"]


def test_a_long_response_is_read(world):
    client = world.open().hello()
    assert client.say("AUTH PLAIN", b64("\0bob@x\0" + "s" * 9000))[-1].startswith("235")


def test_authentication_before_tls_can_be_forbidden(make_world):
    world = make_world(auth_before_tls=False, starttls="offered")
    client = world.open()
    assert not any("AUTH" in line for line in client.say("EHLO x"))
    assert client.say(f"AUTH PLAIN {PLAIN}")[0].startswith("538 5.7.11")
    assert_no_secret(client)
    client.say("STARTTLS", "EHLO x")
    assert client.say(f"AUTH PLAIN {PLAIN}")[0].startswith("235")


def test_mechanisms_that_need_the_password_are_offered_when_it_is_known(make_world):
    (line,) = [line for line in make_world(default_password="x").open().say("EHLO x") if "AUTH" in line]
    assert "SCRAM-SHA-256" in line
    assert "CRAM-MD5" in line
    (line,) = [line for line in make_world(smtp_extensions={"-AUTH=LOGIN"}).open().say("EHLO x") if "AUTH" in line]
    assert line == "250-AUTH PLAIN XOAUTH2 OAUTHBEARER"


def test_a_plugin_can_refuse_a_login(make_world):
    class Plugin:
        @hookimpl
        @fast
        def mailtrap_before_login(self, user):
            return Refuse(454, f"4.7.0 {user} is not awake") if user == "bob@x" else None

    world = make_world(Plugin())
    client = world.open().hello()
    assert client.say(f"AUTH PLAIN {PLAIN}") == ["454 4.7.0 bob@x is not awake"]
    assert client.record.user is None


def test_a_client_that_leaves_in_the_middle_of_an_exchange(world):
    client = world.open().hello()
    client.say("AUTH LOGIN")
    assert client.end() == b""
    assert client.closed is not None
    assert world.errors == []
