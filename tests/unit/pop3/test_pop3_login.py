"""Every way to log in over POP3, and every way to be turned away."""

import base64
import hashlib
import hmac

import pytest

from mailtrap.errors import StoreError
from mailtrap.hookspecs import Refuse, fast, hookimpl
from mailtrap.message.address import Address

OPEN = b"+OK 0 messages, 0 octets\r\n"
WRONG = b"-ERR [AUTH] Authentication credentials invalid\r\n"


def b64(data: str | bytes) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


@pytest.fixture
def bobs(world):
    """A world in which bob has a password, and so has everybody."""
    world.directory.open_account(world.root, Address("bob@example.com"))
    world.store.put_account(world.mailbox().account, password="s3 cret")
    return world


def logged_in(client) -> bool:
    return client.say("STAT").startswith(b"+OK")


# ---------------------------------------------------------------- USER and PASS


@pytest.mark.parametrize(
    ("user", "password", "answer"),
    [
        ("bob@example.com", "s3 cret", OPEN),
        ("BOB@Example.COM", "s3 cret", OPEN),
        ("bob+tag@example.com", "s3 cret", OPEN),
        ("bob@example.com", "s3", WRONG),
        ("bob@example.com", "s3 cret ", WRONG),
        ("bob@example.com", " s3 cret", WRONG),
        ("bob@example.com", "", WRONG),
        ("carol@example.com", "anything", OPEN),  # routing is open: an account comes to be
        ("carol@example.com", "", OPEN),
    ],
)
def test_user_and_pass(bobs, user, password, answer):
    client = bobs.connect()
    assert client.say(f"USER {user}") == b"+OK Go on with PASS\r\n"
    assert client.say(f"PASS {password}") == answer
    assert logged_in(client) is (answer is OPEN)
    assert client.record.user == (user if answer is OPEN else None)
    assert client.record.mechanism == ("USER" if answer is OPEN else None)


def test_after_a_wrong_password_user_comes_first_again(bobs):
    client = bobs.connect()
    assert client.say("USER bob@example.com", "PASS wrong").endswith(WRONG)
    assert client.say("PASS s3 cret") == b"-ERR USER comes first\r\n"
    assert client.say("USER bob@example.com", "CAPA", "PASS s3 cret").endswith(OPEN)


def test_wrong_and_unknown_are_answered_alike_and_recorded(make_world):
    world = make_world(routing="strict")
    world.store.put_account(world.mailbox("all").account._replace(address="bob@example.com"), password="pw")
    for user, password in (("bob@example.com", "wrong"), ("nobody@example.com", "pw")):
        client = world.connect()
        assert client.say(f"USER {user}", f"PASS {password}") == b"+OK Go on with PASS\r\n" + WRONG
    assert [(r.stage, r.reply) for r in world.root.refused] == [("PASS", WRONG.decode().strip())] * 2


def test_no_password_gets_into_the_record(bobs):
    client = bobs.connect()
    client.say("USER bob@example.com", "PASS s3 cret-wrong", "pass s3 cret-wrong", " PASS s3 cret-wrong")
    client.say("PASS\ts3 cret-wrong", "APOP bob@example.com s3 cret-wrong", f"AUTH PLAIN {b64('s3 cret-wrong')}")
    client.say("AUTH LOGIN", b64("bob@example.com"), b64("s3 cret-wrong"))
    transcript = client.record.transcript
    for secret in ("cret", b64("s3 cret-wrong"), b64("bob@example.com")):
        assert secret not in transcript
    assert "PASS ***" in transcript
    assert "AUTH PLAIN ***" in transcript
    assert "a response of 20 octets" in transcript


def test_a_disabled_command_keeps_its_secret(make_world):
    client = make_world(pop3_capabilities=["-USER", "-SASL"]).connect()
    assert client.say("PASS secret") == b"-ERR Unknown command\r\n"
    assert client.say("AUTH PLAIN c2VjcmV0") == b"-ERR Unknown command\r\n"
    assert "secret" not in client.record.transcript
    assert "c2VjcmV0" not in client.record.transcript


# ---------------------------------------------------------------- APOP


def digest(client, password: str) -> str:
    banner = client.greeting.rstrip().rpartition(b" ")[2]
    return hashlib.md5(banner + password.encode()).hexdigest()


def test_apop(bobs):
    client = bobs.connect()
    assert client.say(f"APOP bob@example.com {digest(client, 'wrong')}") == WRONG
    assert client.say(f"APOP nobody@example.com {digest(client, '')}") == WRONG
    assert client.say("APOP bob@example.com") == b"-ERR APOP has a name and a digest\r\n"
    assert client.say(f"APOP bob@example.com {digest(client, 's3 cret').upper()}") == OPEN
    assert client.record.mechanism == "APOP"
    assert [refusal.stage for refusal in bobs.root.refused] == ["APOP", "APOP"]


def test_apop_greetings_differ(bobs):
    assert len({bobs.connect().greeting for _ in range(5)}) == 5


def test_apop_is_offered_only_where_passwords_are_known(world):
    assert b"<" not in world.connect().greeting
    world.root.change(default_password="pw")
    assert b"<" in world.connect().greeting
    world.root.change(pop3_capabilities=["-APOP"])
    client = world.connect()
    assert b"<" not in client.greeting
    assert client.say("APOP bob 00") == b"-ERR Unknown command\r\n"


# ---------------------------------------------------------------- AUTH


PLAIN = b64("\0bob@example.com\0s3 cret")


@pytest.mark.parametrize(
    ("said", "answers"),
    [
        ([f"AUTH PLAIN {PLAIN}"], [OPEN]),
        ([f"auth plain {PLAIN}"], [OPEN]),
        (["AUTH PLAIN", PLAIN], [b"+ \r\n", OPEN]),
        (["AUTH LOGIN", b64("bob@example.com"), b64("s3 cret")], [b"+ VXNlcm5hbWU6\r\n", b"+ UGFzc3dvcmQ6\r\n", OPEN]),
        ([f"AUTH LOGIN {b64('bob@example.com')}", b64("s3 cret")], [b"+ UGFzc3dvcmQ6\r\n", OPEN]),
        ([f"AUTH OAUTHBEARER {b64('n,a=bob@example.com,' + chr(1) + 'auth=Bearer s3 cret' + chr(1) * 2)}"], [OPEN]),
        ([f"AUTH XOAUTH2 {b64('user=bob@example.com' + chr(1) + 'auth=Bearer s3 cret' + chr(1) * 2)}"], [OPEN]),
        (
            [f"AUTH XOAUTH2 {b64('user=bob@example.com' + chr(1) + 'auth=Bearer no' + chr(1) * 2)}", ""],
            [b"+ eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIiwic2NvcGUiOiJtYWlsIn0=\r\n", WRONG],
        ),
        ([f"AUTH PLAIN {b64(chr(0) + 'bob@example.com' + chr(0) + 'no')}"], [WRONG]),
        (["AUTH PLAIN", "*"], [b"+ \r\n", b"-ERR Authentication cancelled\r\n"]),
        (["AUTH LOGIN", "*"], [b"+ VXNlcm5hbWU6\r\n", b"-ERR Authentication cancelled\r\n"]),
        (["AUTH PLAIN", "not base64!"], [b"+ \r\n", b"-ERR The response is no base64\r\n"]),
        (["AUTH PLAIN AAA"], [b"-ERR The response is no base64\r\n"]),
        (["AUTH PLAIN ="], [b"-ERR PLAIN is authorization identity, NUL, user, NUL, password\r\n"]),
        (["AUTH PLAIN", ""], [b"+ \r\n", b"-ERR PLAIN is authorization identity, NUL, user, NUL, password\r\n"]),
        (["AUTH PLAIN", "A" * 12_288], [b"+ \r\n", b"-ERR The response is too long\r\n"]),
        (["AUTH CRAM-MD5 ="], [b"-ERR CRAM-MD5 has no initial response\r\n"]),
    ],
)
def test_auth(bobs, said, answers):
    client = bobs.connect()
    assert [client.say(line) for line in said] == answers
    assert logged_in(client) is (answers[-1] is OPEN)
    assert bobs.errors == []
    if answers[-1] is OPEN:
        assert client.record.user == "bob@example.com"
        assert client.record.mechanism == said[0].split()[1].upper()
        assert not bobs.root.refused
    else:
        assert [(refusal.stage, refusal.reply) for refusal in bobs.root.refused] == [
            ("AUTH", answers[-1].decode().strip())
        ]
        assert client.say(f"AUTH PLAIN {PLAIN}") == OPEN  # and it may try again


def test_auth_takes_the_longest_response_it_must(bobs):
    long = b64("\0bob@example.com\0" + "x" * 9100)
    assert 12_000 < len(long) < 12_286
    client = bobs.connect()
    assert client.say("AUTH PLAIN") == b"+ \r\n"
    assert client.say(long) == WRONG


def test_cram_md5(bobs):
    client = bobs.connect()
    challenge = base64.b64decode(client.say("AUTH CRAM-MD5")[2:])
    proof = hmac.new(b"s3 cret", challenge, "md5").hexdigest()
    assert client.say(b64(f"bob@example.com {proof}")) == OPEN


@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize("name", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_scram(bobs, name, initial):
    scramp = pytest.importorskip("scramp")
    client = bobs.connect()
    scram = scramp.ScramClient([name], "bob@example.com", "s3 cret")
    if initial:
        challenge = client.say(f"AUTH {name} {b64(scram.get_client_first())}")
    else:
        assert client.say(f"AUTH {name}") == b"+ \r\n"
        challenge = client.say(b64(scram.get_client_first()))
    scram.set_server_first(base64.b64decode(challenge[2:]).decode())
    final = client.say(b64(scram.get_client_final()))
    scram.set_server_final(base64.b64decode(final[2:]).decode())
    assert client.say("") == OPEN


def test_who_knows_the_password_may_still_be_nobody(make_world):
    """With strict routing only declared accounts log in, whatever the default password is."""
    world = make_world(routing="strict", default_password="pw")
    client = world.connect()
    assert client.say(f"APOP nobody {digest(client, 'pw')}") == WRONG
    challenge = base64.b64decode(client.say("AUTH CRAM-MD5")[2:])
    assert client.say(b64("nobody " + hmac.new(b"pw", challenge, "md5").hexdigest())) == WRONG
    scram = pytest.importorskip("scramp").ScramClient(["SCRAM-SHA-256"], "nobody", "pw")
    challenge = client.say(f"AUTH SCRAM-SHA-256 {b64(scram.get_client_first())}")
    scram.set_server_first(base64.b64decode(challenge[2:]).decode())
    assert client.say(b64(scram.get_client_final())) == WRONG


def test_a_token_that_was_issued_is_the_only_one(bobs):
    token = bobs.directory.issue_token(bobs.root, "bob@example.com", 60)

    def bearer(text: str) -> str:
        return "AUTH XOAUTH2 " + b64(f"user=bob@example.com\1auth=Bearer {text}\1\1")

    client = bobs.connect()
    assert client.say(bearer("s3 cret")).startswith(b"+ ")
    assert client.say("") == WRONG
    assert client.say(bearer(token)) == OPEN


def test_the_client_may_leave_in_the_middle(bobs):
    client = bobs.connect()
    client.say("AUTH LOGIN", b64("bob@example.com"))
    assert client.end_of_input() == b""
    assert client.closed is not None
    assert bobs.errors == []


def test_mechanisms_follow_accounts_and_settings(bobs):
    def mechanisms() -> list[str]:
        lines = bobs.connect().say("CAPA").decode().splitlines()
        return next((line.split()[1:] for line in lines if line.startswith("SASL ")), [])

    assert mechanisms() == [
        "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER",
    ]  # fmt: skip
    bobs.put(b"x", account="carol@example.com")  # an account without a password
    assert mechanisms() == ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"]
    bobs.root.change(pop3_capabilities=["-AUTH=LOGIN", "+AUTH=ANONYMOUS", "+AUTH=NTLM"])
    assert mechanisms() == ["PLAIN", "XOAUTH2", "OAUTHBEARER", "ANONYMOUS"]
    client = bobs.connect()
    assert client.say("AUTH LOGIN") == b"-ERR That mechanism is not offered\r\n"
    assert client.say("AUTH ANONYMOUS =") == OPEN
    bobs.root.change(auth_before_tls=False)
    assert mechanisms() == []


# ---------------------------------------------------------------- TLS


def test_stls(make_world):
    world = make_world(starttls="offered")
    client = world.connect()
    assert b"\r\nSTLS\r\n" in client.say("CAPA")
    client.say("USER bob@example.com")
    # what was sent behind it in clear is not carried out
    assert client.send(b"STLS\r\nUSER mallory\r\nPASS x\r\n") == b"+OK Begin TLS\r\n"
    assert client.record.tls is not None
    assert b"STLS" not in client.say("CAPA")
    assert client.say("STLS") == b"-ERR TLS is on already\r\n"
    assert client.say("PASS pw") == b"-ERR USER comes first\r\n"  # what was said before TLS is forgotten
    assert client.say("USER bob@example.com", "PASS pw").endswith(OPEN)
    assert b"STLS" not in client.say("CAPA")


def test_stls_comes_before_utf8(make_world):
    client = make_world(starttls="offered").connect()
    assert client.say("UTF8", "STLS").endswith(b"-ERR STLS comes before UTF8\r\n")
    assert b"STLS" not in client.say("CAPA")


@pytest.mark.parametrize("settings", [{"starttls": "required"}, {"auth_before_tls": False, "starttls": "offered"}])
def test_no_login_before_tls_where_that_is_forbidden(make_world, settings):
    world = make_world(**settings, default_password="pw")
    client = world.connect()
    capabilities = client.say("CAPA")
    assert b"SASL" not in capabilities
    assert b"USER\r\n" not in capabilities.replace(b"UTF8 USER", b"")
    refused = b"-ERR A login is not allowed before TLS: say STLS\r\n"
    apop = f"APOP bob {digest(client, 'pw')}"
    for command in ("USER bob@example.com", "PASS pw", apop, "AUTH", f"AUTH PLAIN {PLAIN}"):
        assert client.say(command) == refused
    client.say("STLS")
    assert client.say("USER bob@example.com", "PASS pw").endswith(OPEN)


def test_implicit_tls_is_tls(make_world):
    world = make_world(starttls="required", auth_before_tls=False)
    client = world.connect(implicit_tls=True)
    assert b"STLS" not in client.say("CAPA")
    assert client.say("USER bob@example.com", "PASS pw").endswith(OPEN)


# ---------------------------------------------------------------- hooks, scopes, failures


class Bouncer:
    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    @hookimpl
    @fast
    def mailtrap_before_login(self, session, user, mechanism):
        self.asked.append((session.user, user, mechanism))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_plugin_is_asked_after_the_credentials_were_right(make_world):
    bouncer = Bouncer(None)
    world = make_world(bouncer, default_password="pw")
    client = world.connect()
    client.say("USER bob@example.com", "PASS wrong")
    assert bouncer.asked == []
    assert client.say("USER bob@example.com", "PASS pw").endswith(OPEN)
    assert bouncer.asked == [(None, "bob@example.com", "USER")]


@pytest.mark.parametrize("command", [["USER bob", "PASS pw"], ["AUTH PLAIN " + b64("\0bob\0pw")]])
@pytest.mark.parametrize(
    ("verdict", "answer"),
    [
        (Refuse(550, "5.7.1 Not today"), b"-ERR [AUTH] Not today\r\n"),
        (ValueError("a bug"), b"-ERR [SYS/TEMP] A plugin failed; try again later\r\n"),
    ],
)
def test_a_plugin_may_refuse_or_fail(make_world, command, verdict, answer):
    world = make_world(Bouncer(verdict))
    client = world.connect()
    assert client.say(*command).endswith(answer)
    assert client.record.user is None
    assert not logged_in(client)
    assert len(world.root.refused) == 1
    assert world.errors == ([verdict] if isinstance(verdict, Exception) else [])


def test_a_reader_belongs_to_the_scope_current_at_its_login(world):
    early = world.connect()
    scope = world.scopes.open(world.root, "a test", {"default_password": "inner"})
    world.scopes.enter(scope)
    world.put(b"Subject: mine\r\n\r\n", scope="a test")
    world.put(b"Subject: not mine\r\n\r\n")
    assert early.say("USER bob@example.com", "PASS wrong").endswith(WRONG)
    assert early.say("USER bob@example.com", "PASS inner").endswith(b"+OK 1 messages, 17 octets\r\n")
    assert early.record.scope == "a test"
    assert len(scope.refused) == 1
    world.scopes.leave(scope)
    assert early.say("STAT") == b"+OK 1 17\r\n"
    assert world.login().say("STAT") == b"+OK 1 21\r\n"


def test_the_domain_of_a_user_names_the_scope(world):
    scope = world.scopes.open(world.root, "named", {"default_password": "inner", "pop3_timeout": 7.0})
    user = f"bob@{scope.domain}"
    world.put(b"Subject: named\r\n\r\n", account=user, scope="named")
    client = world.connect()
    assert client.say(f"USER {user}", "PASS wrong").endswith(WRONG)
    assert len(scope.refused) == 1
    assert not world.root.refused
    assert client.say(f"USER {user}", "PASS inner").endswith(b"+OK 1 messages, 18 octets\r\n")
    assert client.session.scope is scope
    assert client.session.timeout == 7.0


@pytest.mark.parametrize("method", ["account", "mailbox", "lock_maildrop", "snapshot", "copies"])
def test_a_store_that_fails_is_told_and_holds_no_lock(bobs, monkeypatch, method):
    bobs.put(b"x\r\n")
    error = StoreError("the disk is on fire")
    client = bobs.connect()

    def fail(*args):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(bobs.store, method, fail)
        answer = client.say("USER bob@example.com", "PASS s3 cret")
    assert answer.startswith(b"+OK Go on with PASS\r\n-ERR [SYS/TEMP] The store cannot answer")
    assert b"fire" not in answer
    assert bobs.errors == [error]
    assert client.record.user is None
    assert bobs.login(password="s3 cret").say("STAT") == b"+OK 1 3\r\n"
    assert client.say("USER bob@example.com", "PASS s3 cret").endswith(b"this maildrop\r\n")


def test_a_store_that_fails_at_quit_deletes_nothing(bobs, monkeypatch):
    bobs.put(b"x\r\n")
    client = bobs.login(password="s3 cret")
    client.say("DELE 1")
    error = StoreError("no")

    def fail(*args):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(bobs.store, "expunge", fail)
        assert client.say("QUIT") == b"-ERR [SYS/TEMP] Some deleted messages are not removed\r\n"
    assert client.closed is not None
    assert bobs.errors == [error]
    client.hang_up()  # gives the lock back
    assert bobs.login(password="s3 cret").say("STAT") == b"+OK 1 3\r\n"


def test_a_connection_lost_while_the_maildrop_is_opened_leaves_no_lock(world):
    world.put(b"x\r\n")
    client = world.connect()
    client.say("USER bob@example.com")
    client.session.receive(b"PASS pw\r\n")
    while True:
        step = client.session.next()
        if not hasattr(step, "function"):
            continue
        value = step.function(*step.args)
        if step.function.__name__ == "lock_maildrop":
            break
        client.session.answer(value)
    client.hang_up()
    assert world.login().say("STAT") == b"+OK 1 3\r\n"
