"""What servers stumble over when real clients come, each said once; most were seen with other fake servers."""

import hashlib
import hmac
from base64 import b64decode, b64encode

import pytest
import scramp

from mailtrap import limits

from .conftest import BOB, MAIL, numbers


class TestAuthentication:
    @pytest.fixture
    def world(self, world):
        world.store.put_account(world.account(), password="pw")
        return world

    def talk(self, client, mechanism, *responses, initial=None):
        """Say AUTHENTICATE; each response is octets or made from the challenge. The tagged line."""
        answer = client.send(
            b"a AUTHENTICATE " + mechanism + (b" " + initial if initial is not None else b"") + b"\r\n"
        )
        for response in responses:
            assert answer.startswith(b"+ "), answer
            challenge = b64decode(answer[2:])
            said = response(challenge) if callable(response) else response
            answer = client.send((b"*" if said is None else b64encode(said)) + b"\r\n")
        return answer

    def test_each_mechanism_that_is_offered(self, world):
        client = world.connect()
        offered = {word[5:] for word in client.greeting.decode().replace("]", " ").split() if word.startswith("AUTH=")}
        assert offered == {
            "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER"
        }  # fmt: skip
        bob = BOB.encode()
        responses = {
            "PLAIN": (b"\0" + bob + b"\0pw",),
            "LOGIN": (bob, b"pw"),
            "CRAM-MD5": (lambda challenge: bob + b" " + hmac.digest(b"pw", challenge, hashlib.md5).hex().encode(),),
            "XOAUTH2": (b"user=" + bob + b"\1auth=Bearer pw\1\1",),
            "OAUTHBEARER": (b"n,a=" + bob + b",\1auth=Bearer pw\1\1",),
            "SCRAM-SHA-1": scram("SCRAM-SHA-1"),
            "SCRAM-SHA-256": scram("SCRAM-SHA-256"),
        }
        for mechanism in sorted(offered):
            client = world.connect()
            answer = self.talk(client, mechanism.encode(), *responses[mechanism])
            assert answer.startswith(b"a OK [CAPABILITY "), mechanism
            assert (client.record.user, client.record.mechanism) == (BOB, mechanism)
            client.ok("SELECT INBOX")

    @pytest.mark.parametrize(
        "mechanism", [b"PLAIN", b"LOGIN", b"CRAM-MD5", b"SCRAM-SHA-256", b"XOAUTH2", b"OAUTHBEARER"]
    )
    def test_giving_up(self, world, mechanism):
        client = world.connect()
        assert self.talk(client, mechanism, None).startswith(b"a BAD ")
        assert client.ok("NOOP")

    def test_an_empty_initial_response_is_an_equals_sign(self, world):
        client = world.connect()
        assert self.talk(client, b"PLAIN", initial=b"=").startswith((b"a BAD ", b"a NO "))
        assert self.talk(client, b"LOGIN", b"pw", initial=b64encode(BOB.encode())).startswith(b"a OK ")

    def test_an_initial_response_where_none_is_offered(self, make_world):
        client = make_world(imap_capabilities=frozenset({"-SASL-IR"})).connect()
        assert b"SASL-IR" not in client.greeting
        assert self.talk(client, b"PLAIN", initial=b64encode(b"\0bob\0pw")).startswith(b"a BAD ")
        assert self.talk(client, b"PLAIN", b"\0bob\0pw").startswith(b"a OK ")

    def test_a_wrong_token_is_explained_before_the_no(self, world):
        for mechanism, response, end in (
            (b"XOAUTH2", b"user=" + BOB.encode() + b"\1auth=Bearer no\1\1", b""),
            (b"OAUTHBEARER", b"n,a=" + BOB.encode() + b",\1auth=Bearer no\1\1", b"\1"),
        ):
            answer = self.talk(world.connect(), mechanism, response, end)
            assert answer.startswith(b"a NO [AUTHENTICATIONFAILED]"), mechanism

    def test_in_lower_case(self, world):
        assert self.talk(world.connect(), b"plain", b"\0" + BOB.encode() + b"\0pw").startswith(b"a OK ")


def scram(mechanism):
    """The client's two messages, by another implementation, and the empty one at the end."""
    client = scramp.ScramClient([mechanism], BOB, "pw")

    def final(challenge):
        client.set_server_first(challenge.decode())
        return client.get_client_final().encode()

    def end(challenge):
        client.set_server_final(challenge.decode())
        return b""

    return (lambda _: client.get_client_first().encode()), final, end


class TestNames:
    @pytest.mark.parametrize(
        "name", ["[Gmail]", "a}b", "x^y", "p|q", "a]b", "it's", "semi;colon", "a&-b", "%", "*x", "~"]
    )
    def test_odd_ones_come_back_so_that_a_client_can_use_them(self, world, name):
        client = world.login()
        client.ok(f'CREATE "{name}"')
        listed = client.ok('LIST "" "*"')
        line = next(line for line in listed.splitlines() if b"INBOX" not in line)
        said = line.rpartition(b'"/" ')[2]
        assert client.ok(b"SELECT " + said)
        assert client.ok(b"STATUS " + said + b" (MESSAGES)") == b"* STATUS " + said + b" (MESSAGES 0)\r\n"
        assert client.ok(b"DELETE " + said)

    def test_modified_utf7_of_several_scripts(self, world):
        client = world.login()
        client.ok("CREATE &AOlOLQ-")
        assert world.mailbox("é中") is not None
        assert client.no("CREATE &AOk-&Ti0-")  # RFC 3501, 5.1.3: each by itself is not the one form of it
        assert b' "&AOlOLQ-"\r\n' in client.ok('LIST "" "%"')

    def test_a_parent_that_cannot_be_selected(self, world):
        client = world.login()
        client.ok("CREATE a/b")
        assert b'* LIST (\\Noselect \\HasChildren) "/" a\r\n' in client.ok('LIST "" "*"')
        assert client.no("SELECT a")
        client.ok("DELETE a/b")
        client.ok("DELETE a")
        assert b" a" not in client.ok('LIST "" "*"')

    def test_the_root(self, world):
        client = world.login()
        assert client.ok('LIST "" ""') == b'* LIST (\\Noselect) "/" ""\r\n'
        assert client.ok('LSUB "" ""') == b"*"

    def test_inbox_in_any_case_is_one(self, world):
        world.put()
        client = world.login()
        for name in ("inbox", "Inbox", '"iNbOx"'):
            assert numbers(client.ok(f"SELECT {name}"), "EXISTS") == [1]
            assert client.ok(f'LIST "" {name}').endswith(b' "/" INBOX\r\n')


class TestSelectedMailbox:
    def test_renamed_by_its_own_session(self, world):
        client = world.login()
        client.ok("CREATE a")
        world.put(MAIL, "a")
        client.ok("SELECT a")
        client.ok("RENAME a b")
        assert client.ok("FETCH 1 UID") == b"* 1 FETCH (UID 1)\r\n"
        assert client.ok("STORE 1 +FLAGS (\\Seen)")
        client.ok("RENAME b c")
        assert client.ok("CLOSE")

    def test_deleted_by_its_own_session_and_made_again(self, world):
        client = world.login()
        client.ok("CREATE a")
        client.ok("SELECT a")
        client.ok("DELETE a")
        client.bad("FETCH 1 UID")
        client.ok("CREATE a")
        assert client.ok("SELECT a")

    def test_close_after_examine(self, world):
        uid = world.put(flags=["\\Deleted"])
        client = world.login()
        client.ok("EXAMINE INBOX")
        client.ok("CLOSE")
        assert world.flags(uid) == {"\\Deleted"}


class TestMessages:
    def test_bare_lf_by_append(self, world):
        client = world.login()
        raw = b"Subject: x\n\nline\nmore\n"
        client.literal(b"APPEND INBOX {}", raw)
        client.ok("SELECT INBOX")
        answer = client.ok("FETCH 1 (RFC822.SIZE BODY.PEEK[])")
        whole = raw.replace(b"\n", b"\r\n")
        assert b"RFC822.SIZE %d BODY[] {%d}\r\n%b)" % (len(whole), len(whole), whole) in answer
        assert world.store.raw(1) == raw

    @pytest.mark.parametrize(
        "field",
        [
            "Sender: a, b", "Sender: <>", "From: =?x", "Reply-To: ;", 'To: "unclosed <a@b>', "Cc: a@b@c <d@e>, (",
            "From: @",
            "Bcc: group:;", "To: group: a@b, c@d;, e@f", "From: \"a\\\"b\" <c@d>", "To: a b c", "From: <@route:a@b>",
        ],
    )  # fmt: skip
    def test_odd_addresses_in_an_envelope(self, world, field):
        world.put(f"{field}\r\nSubject: still here\r\n\r\n".encode())
        world.put()
        client = world.select()
        answer = client.ok("FETCH 1:2 ENVELOPE")
        assert b'"still here"' in answer
        assert b'"Hello"' in answer
        assert not world.errors

    def test_keywords_are_kept_copied_and_found(self, world):
        world.put()
        client = world.select()
        client.ok("CREATE a")
        assert b"FLAGS (\\Recent $Forwarded Junk)" in client.ok("STORE 1 +FLAGS ($Forwarded Junk)")
        client.ok("COPY 1 a")
        assert world.flags(1, "a") == {"$Forwarded", "Junk"}
        client.ok("SELECT a")
        assert client.ok("SEARCH KEYWORD $forwarded UNKEYWORD other") == b"* SEARCH 1\r\n"
        assert b"$Forwarded Junk" in client.ok("FETCH 1 FLAGS")

    def test_the_label_of_binary_and_its_decoded_size(self, world):
        world.put(b"Content-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n")
        client = world.select()
        answer = client.ok("FETCH 1 (BINARY.SIZE[1] BINARY.PEEK[1])")
        assert answer == b"* 1 FETCH (BINARY.SIZE[1] 4 BINARY[1] ~{4}\r\n\x00\x01\x02\x03)\r\n"

    def test_parts_of_a_message_inside_a_message(self, world):
        inner = b"Subject: inner\r\n\r\nthe text\r\n"
        part = b"Content-Type: message/rfc822\r\n\r\n" + inner
        world.put(part)
        world.put(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + part + b"\r\n--b--\r\n")
        client = world.select()
        for number in (1, 2):
            assert b"BODY[1.1] {10}\r\nthe text\r\n" in client.ok(f"FETCH {number} BODY.PEEK[1.1]")
            assert b"{18}\r\nSubject: inner\r\n\r\n" in client.ok(f"FETCH {number} BODY.PEEK[1.HEADER]")
            assert b"{32}\r\nContent-Type: message/rfc822\r\n\r\n" in client.ok(f"FETCH {number} BODY.PEEK[1.MIME]")

    def test_a_message_with_utf8_headers_inside(self, world):
        """RFC 9051, 9: media-message has GLOBAL too; an encoded one is a part like others."""
        inner = "Subject: grün\r\n\r\ntext\r\n".encode()
        world.put(b"Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + inner)
        world.put(b"Content-Type: message/global\r\nContent-Transfer-Encoding: base64\r\n\r\neHg=\r\n")
        client = world.select()
        assert '"message" "global" NIL NIL NIL "8bit" 24 (NIL {5}\r\ngrün '.encode() in client.ok("FETCH 1 BODY")
        assert b'"message" "global" NIL NIL NIL "base64" 6)' in client.ok("FETCH 2 BODY")
        assert b"{6}\r\ntext\r\n" in client.ok("FETCH 1 BODY.PEEK[1.1]")

    def test_the_same_field_twice_in_a_section(self, world):
        world.put()
        client = world.select()
        answer = client.ok("FETCH 1 BODY.PEEK[HEADER.FIELDS (from from)]")
        assert b"BODY[HEADER.FIELDS (from from)] {35}\r\nFrom: Alice <alice@example.com>\r\n\r\n)" in answer


class TestPipelines:
    def test_several_commands_with_literals_in_one_segment(self, world):
        """As mbsync, offlineimap and imapflow send them."""
        client = world.login()
        raw = MAIL
        answer = client.send(
            b"a CREATE {3+}\r\nbox\r\nb APPEND {3+}\r\nbox (\\Seen) {%d+}\r\n%b\r\nc SELECT {3+}\r\nbox\r\n"
            b"d UID SEARCH SUBJECT {5+}\r\nhello\r\ne UID FETCH 1 (FLAGS)\r\n" % (len(raw), raw)
        )
        assert [line[:4] for line in answer.splitlines() if line[1:2] == b" " and line[:1] in b"abcde"] == [
            b"a OK", b"b OK", b"c OK", b"d OK", b"e OK"
        ]  # fmt: skip
        assert b"* SEARCH 1\r\n" in answer

    def test_append_as_horde_does_it(self, world):
        """Literals of the form (~{485}: MULTIAPPEND, UTF8 and literal8 in one command."""
        client = world.login()
        client.ok("ENABLE QRESYNC UTF8=ACCEPT")
        first, second = b"Subject: 1\r\n\r\n" + b"x" * 471, b"Subject: 2\r\n\r\n" + b"y" * 621
        assert client.send(b"a APPEND INBOX (\\Seen) UTF8 (~{485}\r\n").startswith(b"+ ")
        assert client.send(first + b') (\\Draft) " 1-Feb-2026 08:00:00 +0100" UTF8 (~{635}\r\n').startswith(b"+ ")
        answer = client.send(second + b")\r\n")
        assert answer.startswith(b"a OK [APPENDUID ")
        assert [copy.flags for copy in world.store.copies(world.mailbox().id)] == [{"\\Seen"}, {"\\Draft"}]

    def test_enabling_everything_at_once(self, world):
        client = world.login()
        answer = client.ok("ENABLE QRESYNC UTF8=ACCEPT IMAP4rev2 CONDSTORE X-NONE")
        assert answer == b"* ENABLED QRESYNC UTF8=ACCEPT IMAP4rev2 CONDSTORE\r\n"

    def test_a_literal_too_long_for_any_server(self, world):
        client = world.login()
        assert client.send(b"a APPEND INBOX {99999999999999999999}\r\n").startswith(b"a NO [TOOBIG]")
        assert client.ok("NOOP")
        assert client.send(b"a LOGIN {%d}\r\n" % (limits.IMAP_LITERAL + 1)).startswith(b"a BAD")


class TestOffers:
    def test_starttls_is_not_offered_unless_asked_for(self, world, make_world):
        """Clients take it as soon as they see it, and then fail on a certificate that they do not know."""
        assert b"STARTTLS" not in world.connect().greeting
        assert b"STARTTLS" in make_world(starttls="offered").connect().greeting

    def test_imap4rev2_that_is_only_offered_changes_nothing(self, world):
        world.put()
        client = world.login()
        untagged, _ = client.raw("SELECT INBOX")
        assert b"RECENT" in untagged
        assert b"LIST" not in untagged
        assert client.ok("SEARCH ALL") == b"* SEARCH 1\r\n"
        client.ok("CLOSE")
        client.ok("ENABLE IMAP4rev2")
        untagged, _ = client.raw("SELECT INBOX")
        assert b"RECENT" not in untagged
        assert b"* LIST () " in untagged
        assert b"* ESEARCH " in client.ok("SEARCH ALL")
        client.bad("STATUS INBOX (RECENT)")
        client.ok("SELECT INBOX")
        assert b"[CLOSED]" in client.ok("SELECT INBOX")

    def test_namespace_is_there(self, world):
        assert world.login().ok("NAMESPACE").startswith(b"* NAMESPACE ((")
