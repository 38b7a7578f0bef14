"""SASL mechanisms against the examples of their RFCs, against scramp, and against clients that break their rules."""

import base64
import hashlib
import hmac
import re
from itertools import chain, repeat

import pytest
import scramp
from hypothesis import given
from hypothesis import strategies as st

from mailtrap import clock
from mailtrap.wire.mechanisms import MECHANISMS
from mailtrap.wire.requests import (
    AuthenticationFailed,
    BadResponse,
    Challenge,
    CheckPassword,
    CheckUser,
    NeedBinding,
    NeedPassword,
    SASLError,
)
from mailtrap.wire.scram import saslprep, scram


def start(name, initial=None):
    return MECHANISMS[name](initial, "mailtrap.test")


# ---------------------------------------------------------------- PLAIN, LOGIN


@pytest.mark.parametrize(
    ("response", "user", "password"),
    [
        (b"\0tim\0tanstaaftanstaaf", "tim", "tanstaaftanstaaf"),  # RFC 4616, 4
        (b"tim\0tim\0pw", "tim", "pw"),
        ("\0jürgen\0pä\u20acss".encode(), "jürgen", "pä\u20acss"),
        (b"\0bob@example.com\0", "bob@example.com", ""),
    ],
)
def test_plain_takes_user_and_password(exchange, response, user, password):
    with_initial = exchange(start("PLAIN", response), {user: password})
    assert with_initial.run([]) == user
    assert with_initial.challenges == []
    without = exchange(start("PLAIN"), {user: password})
    assert without.run([response]) == user
    assert without.challenges == [b""]


def test_plain_lets_nobody_act_as_another(exchange):
    # RFC 4616, 4, the second example: Kurt acts as Ursel
    with pytest.raises(AuthenticationFailed) as caught:
        exchange(start("PLAIN", b"Ursel\0Kurt\0xipj3plmq"), {"Kurt": "xipj3plmq", "Ursel": "xipj3plmq"}).run([])
    assert caught.value.user == "Kurt"


@pytest.mark.parametrize(
    "response", [b"", b"tim", b"\0tim", b"\0tim\0pw\0", b"\0\xff\0pw", b"\0t\nm\0pw", b"\0t\0\xff"]
)
def test_plain_refuses_what_it_cannot_read(exchange, response):
    with pytest.raises(BadResponse):
        exchange(start("PLAIN", response), {"tim": "pw"}).run([])


def test_login_asks_for_name_and_password(exchange):
    both = exchange(start("LOGIN"), {"bob": "pw"})
    assert both.run([b"bob", b"pw"]) == "bob"
    assert both.challenges == [b"Username:", b"Password:"]
    one = exchange(start("LOGIN", b"bob"), {"bob": "pw"})
    assert one.run([b"pw"]) == "bob"
    assert one.challenges == [b"Password:"]


# ---------------------------------------------------------------- CRAM-MD5


def cram_response(user, password):
    return lambda challenge: user.encode() + b" " + hmac.new(password.encode(), challenge, "md5").hexdigest().encode()


def test_cram_md5_has_the_digest_of_rfc_2195(exchange, monkeypatch):
    # RFC 2195, 2: tim, tanstaaftanstaaf
    monkeypatch.setattr(clock, "now", lambda: 697170952.4)
    monkeypatch.setattr("mailtrap.wire.mechanisms.os.urandom", lambda count: b"\x18\x96")
    mechanism = MECHANISMS["CRAM-MD5"](None, "postoffice.reston.mci.net")
    run = exchange(mechanism, {"tim": "tanstaaftanstaaf"})
    assert run.run([b"tim b913a602c7eda7a495b4e6e7334d3890"]) == "tim"
    assert run.challenges == [b"<1896.697170952@postoffice.reston.mci.net>"]


def test_cram_md5_challenges_differ_and_are_message_ids(exchange):
    seen = set()
    for _ in range(3):
        run = exchange(start("CRAM-MD5"), {"two words": "pw"})
        assert run.run(cram_response("two words", "pw")) == "two words"
        seen.add(run.challenges[0])
    assert len(seen) == 3
    assert all(re.fullmatch(rb"<[0-9a-f]+\.\d+@mailtrap\.test>", challenge) for challenge in seen)


@pytest.mark.parametrize("initial", [b"", b"tim digest"])
def test_cram_md5_has_no_initial_response(exchange, initial):
    with pytest.raises(BadResponse):
        exchange(start("CRAM-MD5", initial), {}).run([])


# ---------------------------------------------------------------- SCRAM


@pytest.mark.parametrize(
    ("digest", "client_nonce", "server_nonce", "salt", "messages"),
    [
        pytest.param(
            "sha1", b"fyko+d2lbbFgONRv9qkxdawL", b"3rfcNHYJY1ZVvWVs7j", b"QSXCR+Q6sek8bf92",
            [
                b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
                b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
            ],
            id="RFC 5802, 5",
        ),
        pytest.param(
            "sha256", b"rOprNGfwEbeRWgbNEkqO", b"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", b"W22ZaJ0SNY7soEsUEjb6gQ==",
            [
                b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            ],
            id="RFC 7677, 3",
        ),
    ],
)  # fmt: skip
def test_scram_is_as_in_its_rfc(exchange, digest, client_nonce, server_nonce, salt, messages):
    mechanism = scram(digest, b"n,,n=user,r=" + client_nonce, nonce=server_nonce, salt=base64.b64decode(salt))
    run = exchange(mechanism, {"user": "pencil"})
    assert run.run([messages[0], b""]) == "user"
    assert run.challenges == [b"r=%b%b,s=%b,i=4096" % (client_nonce, server_nonce, salt), messages[1]]


def scramp_client(name, user, password, binding=None):
    """Responses to challenges, as another implementation of SCRAM gives them, and the client itself."""
    client = scramp.ScramClient([name], user, password, channel_binding=binding)
    stage = iter(range(4))

    def respond(challenge: bytes) -> bytes:
        match next(stage):
            case 0:
                assert challenge == b""
                return client.get_client_first().encode()
            case 1:
                client.set_server_first(challenge.decode())
                return client.get_client_final().encode()
            case _:
                client.set_server_final(challenge.decode())
                return b""

    return respond


@pytest.mark.parametrize("name", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
@pytest.mark.parametrize(
    ("user", "password"),
    [("bob@example.com", "pw"), ("a=b,c", "with spaces"), ("jürgen", "pä\u00a0\u2168"), ("x", "\u00ad soft")],
)
def test_scram_lets_another_implementation_in(exchange, name, user, password):
    assert exchange(start(name), {user: password}).run(scramp_client(name, user, password)) == user


@pytest.mark.parametrize("name", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_scram_answers_wrong_and_unknown_alike(exchange, name):
    runs = []
    for passwords in ({"bob": "other"}, {}):
        run = exchange(start(name), passwords)
        with pytest.raises(AuthenticationFailed) as caught:
            run.run(scramp_client(name, "bob", "pw"))
        runs.append((str(caught.value), run.challenges))
    (wrong, wrong_challenges), (unknown, unknown_challenges) = runs
    assert wrong == unknown
    salts = [re.search(rb",(s=[^,]+,i=\d+)", challenges[1])[1] for challenges in (wrong_challenges, unknown_challenges)]
    assert salts[0] == salts[1]  # a salt that tells nothing
    assert len(wrong_challenges) == len(unknown_challenges) == 2


@pytest.mark.parametrize(
    "first",
    [
        b"", b"x", b"n,n=bob,r=abc", b"n,,n=bob", b"n,,r=abc,n=bob", b"n,,n=bob,r=", b"n,,n=b\nb,r=abc",
        b"p=tls-unique,,n=bob,r=abc", b"n,b=x,n=bob,r=abc", b"n,,m=must,n=bob,r=abc", b"n,,n=b=b,r=abc",
        b"n,,n=b=2c,r=abc", b"n,,n=\xff,r=abc", b"n,,n=bob,r=a\x00c", b"n,,n=bob,r=\xc3\xa4",
    ],
)  # fmt: skip
def test_scram_refuses_a_broken_first_message(exchange, first):
    with pytest.raises(BadResponse):
        exchange(scram("sha256", first), {"bob": "pw"}).run([])


@pytest.mark.parametrize(
    "final",
    [
        b"", b"c=biws", b"c=biws,r=NONCE", b"r=NONCE,c=biws,p=AAAA", b"c=eSws,r=NONCE,p=AAAA", b"c=biws,r=abc,p=AAAA",
        b"c=!,r=NONCE,p=AAAA", b"c=biws,r=NONCE,p=*",
    ],
)  # fmt: skip
def test_scram_refuses_a_broken_final_message(exchange, final):
    run = exchange(scram("sha256", b"n,,n=bob,r=abc", nonce=b"xyz"), {"bob": "pw"})
    with pytest.raises(BadResponse):
        run.run([final.replace(b"NONCE", b"abcxyz")])


def test_scram_refuses_a_proof_of_another_length_or_an_answer_to_the_end(exchange):
    with pytest.raises(AuthenticationFailed):
        exchange(scram("sha256", b"n,,n=bob,r=abc", nonce=b"xyz"), {"bob": "pw"}).run([b"c=biws,r=abcxyz,p=AAAA"])
    respond = scramp_client("SCRAM-SHA-256", "bob", "pw")
    with pytest.raises(BadResponse):
        exchange(start("SCRAM-SHA-256"), {"bob": "pw"}).run(lambda challenge: respond(challenge) or b"more")


BINDINGS = {"tls-server-end-point": b"hash of a certificate", "tls-unique": b"finished"}


@pytest.mark.parametrize("name", ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"])
@pytest.mark.parametrize("kind", BINDINGS)
def test_scram_plus_lets_another_implementation_in(exchange, name, kind):
    respond = scramp_client(name, "bob", "pw", (kind, BINDINGS[kind]))
    assert exchange(start(name), {"bob": "pw"}, bindings=BINDINGS).run(respond) == "bob"


def test_scram_plus_is_bound_to_its_connection(exchange):
    name = "SCRAM-SHA-256-PLUS"
    elsewhere = scramp_client(name, "bob", "pw", ("tls-server-end-point", b"another certificate"))
    with pytest.raises(AuthenticationFailed, match="not the one of this connection"):
        exchange(start(name), {"bob": "pw"}, bindings=BINDINGS).run(elsewhere)
    with pytest.raises(BadResponse, match="not supported"):
        exchange(start(name, b"p=tls-exporter,,n=bob,r=abc"), {"bob": "pw"}, bindings=BINDINGS).run([])


@pytest.mark.parametrize(
    ("plus", "first"),
    [
        (True, b"n,,n=bob,r=abc"), (True, b"y,,n=bob,r=abc"), (True, b"p=,,n=bob,r=abc"),
        (True, b"p=a b,,n=bob,r=abc"), (False, b"p=tls-unique,,n=bob,r=abc"), (True, b"x=tls-unique,,n=bob,r=abc"),
    ],
)  # fmt: skip
def test_plus_means_channel_binding(exchange, plus, first):
    with pytest.raises(BadResponse):
        exchange(scram("sha256", first, plus=plus), {"bob": "pw"}, bindings=BINDINGS).run([])


def test_scram_tells_that_somebody_hid_the_channel_binding(exchange):
    for digest, offered in (("sha1", "SCRAM-SHA-1-PLUS"), ("sha256", "SCRAM-SHA-256-PLUS")):
        with pytest.raises(AuthenticationFailed, match="told otherwise"):
            exchange(scram(digest, b"y,,n=bob,r=abc"), {"bob": "pw"}, offered=(offered,)).run([])


# ---------------------------------------------------------------- EXTERNAL

NAMES = ("bob@example.com", "Bob Example")


@pytest.mark.parametrize(
    ("response", "user"),
    [(b"", "bob@example.com"), (b"bob@example.com", "bob@example.com"), (b"Bob Example", "Bob Example")],
)
def test_external_is_whom_the_certificate_is_for(exchange, response, user):
    passwords = dict.fromkeys(NAMES, "never asked")
    at_once = exchange(start("EXTERNAL", response), passwords, names=NAMES)
    assert at_once.run([]) == user
    assert at_once.asked[-1] == CheckUser(user)
    asked = exchange(start("EXTERNAL"), passwords, names=NAMES)
    assert asked.run([response]) == user
    assert asked.challenges == [b""]


@pytest.mark.parametrize(
    ("names", "passwords", "response"),
    [((), {"": "", "bob": ""}, b"bob"), ((), {"": ""}, b""), (NAMES, {"eve": ""}, b"eve"), (NAMES, {}, b"")],
    ids=["no certificate", "no name", "another name", "no such account"],
)
def test_external_fails(exchange, names, passwords, response):
    with pytest.raises(AuthenticationFailed):
        exchange(start("EXTERNAL", response), passwords, names=names).run([])


def test_scram_takes_y_for_a_client_that_could_bind_channels(exchange):
    respond = scramp_client("SCRAM-SHA-256", "bob", "pw")
    assert exchange(scram("sha256", None), {"bob": "pw"}).run(respond) == "bob"
    run = exchange(scram("sha256", b"y,a=bob,n=bob,r=abc", nonce=b"xyz", salt=b"salt"), {"bob": "pw"})
    salted = hashlib.pbkdf2_hmac("sha256", b"pw", b"salt", 4096)
    key = hmac.digest(salted, b"Client Key", "sha256")
    without_proof = b"c=" + base64.b64encode(b"y,a=bob,") + b",r=abcxyz"
    message = b"n=bob,r=abc,r=abcxyz,s=" + base64.b64encode(b"salt") + b",i=4096," + without_proof
    signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
    proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
    assert run.run([without_proof + b",p=" + base64.b64encode(proof), b""]) == "bob"


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("plain", "plain"),
        ("I\u00adX", "IX"),  # RFC 4013, 3
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("\u00e4\x07", "\u00e4\x07"),  # prohibited: left alone
    ],
)
def test_saslprep(text, prepared):
    assert saslprep(text) == prepared


# ---------------------------------------------------------------- OAuth


@pytest.mark.parametrize(
    ("name", "response"),
    [
        ("XOAUTH2", b"user=bob@example.com\1auth=Bearer ya29.token\1\1"),
        ("XOAUTH2", b"user=bob@example.com\1auth=bearer  ya29.token\1\1"),
        ("OAUTHBEARER", b"n,a=bob@example.com,\1host=h\1port=143\1auth=Bearer ya29.token\1\1"),  # RFC 7628, 4.1
        ("OAUTHBEARER", b"y,a=bob@example.com,\1auth=Bearer ya29.token\1\1"),
    ],
)
def test_a_token_lets_its_user_in(exchange, name, response):
    accepted = exchange(start(name, response), {"bob@example.com": "ya29.token"})
    assert accepted.run([]) == "bob@example.com"
    assert accepted.challenges == []
    asked = exchange(start(name), {"bob@example.com": "ya29.token"})
    assert asked.run([response]) == "bob@example.com"
    assert asked.challenges == [b""]


@pytest.mark.parametrize(
    ("name", "response", "dummy", "expected"),
    [
        ("XOAUTH2", b"user=bob\1auth=Bearer wrong\1\1", b"", rb'\{"status":"400",.*\}'),
        ("OAUTHBEARER", b"n,a=bob,\1auth=Bearer wrong\1\1", b"\1", rb'\{"status":"invalid_token",.*\}'),
        ("OAUTHBEARER", b"n,,\1auth=Bearer token\1\1", b"\1", rb'\{"status":"invalid_token",.*\}'),
    ],
)
def test_a_wrong_token_is_explained_before_it_fails(exchange, name, response, dummy, expected):
    run = exchange(start(name, response), {"bob": "token"})
    with pytest.raises(AuthenticationFailed):
        run.run([dummy])
    assert len(run.challenges) == 1
    assert re.fullmatch(expected, run.challenges[0])


@pytest.mark.parametrize(
    ("name", "response"),
    [
        ("XOAUTH2", b""),
        ("XOAUTH2", b"user=bob\1\1"),
        ("XOAUTH2", b"user=bob\1auth=Basic abc\1\1"),
        ("XOAUTH2", b"auth=Bearer abc\1\1"),
        ("XOAUTH2", b"user=bob\1garbage\1auth=Bearer abc\1\1"),
        ("OAUTHBEARER", b""),
        ("OAUTHBEARER", b"\1"),
        ("OAUTHBEARER", b"n,a=bob,"),
        ("OAUTHBEARER", b"p=x,a=bob,\1auth=Bearer abc\1\1"),
        ("OAUTHBEARER", b"n,bob,\1auth=Bearer abc\1\1"),
        ("OAUTHBEARER", b"n,a=bob,\1host=h\1\1"),
    ],
)
def test_oauth_refuses_what_it_cannot_read(exchange, name, response):
    with pytest.raises(BadResponse):
        exchange(start(name, response), {"bob": "abc"}).run([])


def test_anonymous_is_the_account_of_that_name(exchange):
    run = exchange(start("ANONYMOUS", b"sirhc"), {"anonymous": "sirhc"})  # RFC 4505, 4
    assert run.run([]) == "anonymous"
    assert run.asked == [CheckPassword("anonymous", "sirhc")]


# ---------------------------------------------------------------- any bytes


@given(name=st.sampled_from(sorted(MECHANISMS)), responses=st.lists(st.binary(max_size=60), max_size=4))
def test_any_responses_end_in_an_error_of_ours(name, responses):
    mechanism = start(name)
    feed = chain(responses, repeat(b"\0"))
    answer = None
    for _ in range(20):
        try:
            request = mechanism.send(answer)
        except SASLError:
            return
        match request:
            case Challenge():
                answer = next(feed)
            case NeedPassword() | NeedBinding():
                answer = None
            case _:
                answer = False
    pytest.fail("it never ended")
