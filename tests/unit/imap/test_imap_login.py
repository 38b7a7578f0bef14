"""Greeting, CAPABILITY, LOGIN, AUTHENTICATE, STARTTLS, LOGOUT."""

from base64 import b64encode

import pytest

from mailtrap.hookspecs import Refuse, fast, hookimpl
from mailtrap.wire.steps import StartTLS


class TestGreeting:
    def test_it_has_the_capabilities(self, world):
        greeting = world.connect().greeting
        assert greeting.startswith(b"* OK [CAPABILITY IMAP4rev1 ")
        assert b"AUTH=PLAIN" in greeting
        assert greeting.endswith(b"mailtrap.test ready\r\n")


class TestLogin:
    def test_login_gives_the_capabilities_of_the_account(self, world):
        client = world.connect()
        _, tagged = client.raw("LOGIN bob@example.com pw")
        assert tagged.startswith(b"OK [CAPABILITY IMAP4rev1 ")
        assert b"AUTH=" not in tagged
        assert client.record.user == "bob@example.com"
        assert client.record.mechanism == "LOGIN"

    @pytest.mark.parametrize("command", ['LOGIN "bob@example.com" "p\\"w"', "login bob@example.com p]w"])
    def test_strings_and_atoms(self, world, command):
        assert world.connect().ok(command)

    def test_literals(self, world):
        client = world.connect()
        assert client.literal(b"LOGIN {} {}", b"bob@example.com", b"p w").startswith(b"T1 OK")

    def test_a_wrong_password(self, world):
        world.store.put_account(world.account(), password="right")
        client = world.connect()
        assert client.no("LOGIN bob@example.com wrong").startswith("NO [AUTHENTICATIONFAILED]")
        assert client.ok("LOGIN bob@example.com right")
        refused = world.scopes.root.refused[0]
        assert refused.stage == "LOGIN"
        assert refused.reply.startswith("NO [AUTHENTICATIONFAILED]")

    def test_strict_routing_knows_its_users(self, make_world):
        client = make_world(routing="strict").connect()
        assert "AUTHENTICATIONFAILED" in client.no("LOGIN nobody@example.com pw")

    def test_not_twice(self, world):
        assert "CLIENTBUG" in world.login().bad("LOGIN bob@example.com pw")

    @pytest.mark.parametrize("command", ["LOGIN", "LOGIN bob", "LOGIN bob pw more", "LOGIN  bob pw", 'LOGIN "bob pw'])
    def test_bad_syntax(self, world, command):
        world.connect().bad(command)

    def test_control_characters_in_a_name(self, world):
        client = world.connect()
        assert b" BAD " in client.literal(b"LOGIN {} pw", b"bob\nx")

    def test_a_plugin_may_refuse(self, make_world):
        class Plugin:
            @hookimpl
            @fast
            def mailtrap_before_login(self, session, user, mechanism):
                return Refuse(550, "5.7.1 Not today") if user.startswith("bob") else None

        client = make_world(Plugin()).connect()
        assert client.no("LOGIN bob@example.com pw") == "NO [AUTHORIZATIONFAILED] Not today"
        assert client.ok("LOGIN eve@example.com pw")

    def test_the_scope_current_at_login_is_the_readers(self, world):
        child = world.scopes.open(world.scopes.root, "child", {})
        world.scopes.enter(child)
        client = world.login()
        assert client.session.scope is child
        assert client.session.account.scope == "child"


class TestTranscript:
    @pytest.mark.parametrize(
        "command", ["LOGIN bob@example.com s3cret", 'LOGIN "bob@example.com" "s3cret"', 'login bob@example.com"s3cret"']
    )
    def test_no_password(self, world, command):
        client = world.connect()
        client.raw(command)
        client.raw(command)  # in the wrong state too
        assert "s3cret" not in client.record.transcript
        assert "bob@example.com" in client.record.transcript

    def test_no_password_in_a_literal_or_beside_one(self, world):
        client = world.connect()
        client.literal(b"LOGIN {} {}", b"bob", b"s3cret")
        client.send(b"x LOGIN s3cret {999999}\r\n")
        client.send(b"x LOGIN bob s3cret {999999+}\r\n")
        assert "s3cret" not in client.record.transcript.replace("x LOGIN s3cret ***", "")

    def test_no_response(self, world):
        client = world.connect()
        response = b64encode(b"\0bob\0s3cret").decode()
        client.raw(f"AUTHENTICATE PLAIN {response}")
        assert response not in client.record.transcript
        assert "AUTHENTICATE PLAIN ***" in client.record.transcript

    def test_verbs_and_replies(self, world):
        world.put()
        client = world.select()
        client.ok("UID FETCH 1 BODY[]")
        client.ok("UID MOVE 1 INBOX")
        client.ok("LOGOUT")
        verbs = [command.verb for command in client.record.commands]
        assert verbs == ["LOGIN", "SELECT", "FETCH", "MOVE", "LOGOUT"]
        assert "How are you" not in client.record.transcript
        assert "octets of data" in client.record.transcript


class TestAuthenticate:
    def test_plain_with_and_without_initial_response(self, world):
        response = b64encode(b"\0bob@example.com\0pw")
        client = world.connect()
        assert client.send(b"a AUTHENTICATE PLAIN\r\n") == b"+ \r\n"
        assert client.send(response + b"\r\n").startswith(b"a OK [CAPABILITY ")
        assert world.connect().ok(b"AUTHENTICATE plain " + response)

    def test_login(self, world):
        client = world.connect()
        assert client.send(b"a AUTHENTICATE LOGIN\r\n").startswith(b"+ ")
        assert client.send(b64encode(b"bob@example.com") + b"\r\n").startswith(b"+ ")
        assert client.send(b64encode(b"pw") + b"\r\n").startswith(b"a OK ")

    def test_giving_up(self, world):
        client = world.connect()
        client.send(b"a AUTHENTICATE PLAIN\r\n")
        assert client.send(b"*\r\n").startswith(b"a BAD ")
        assert client.ok("NOOP")

    def test_no_base64(self, world):
        client = world.connect()
        client.send(b"a AUTHENTICATE PLAIN\r\n")
        assert client.send(b"%%%\r\n").startswith(b"a BAD ")

    def test_an_unknown_mechanism(self, world):
        world.connect().no("AUTHENTICATE GSSAPI")

    def test_a_wrong_password(self, world):
        world.store.put_account(world.account(), password="right")
        assert "AUTHENTICATIONFAILED" in world.connect().no(
            b"AUTHENTICATE PLAIN " + b64encode(b"\0bob@example.com\0wrong")
        )

    def test_scram_where_every_account_has_a_password(self, world):
        assert b"SCRAM" not in world.connect().greeting
        world.store.put_account(world.account(), password="pw")
        assert b"AUTH=SCRAM-SHA-256" in world.connect().greeting

    def test_a_mechanism_taken_away(self, make_world):
        client = make_world(imap_capabilities=frozenset({"-AUTH=PLAIN"})).connect()
        assert b"AUTH=PLAIN" not in client.greeting
        client.no("AUTHENTICATE PLAIN")

    def test_the_client_leaves_in_the_middle(self, world):
        client = world.connect()
        client.send(b"a AUTHENTICATE PLAIN\r\n")
        client.end_of_input()
        assert client.closed is not None
        assert not world.errors


class TestTLS:
    def test_off_by_default(self, world):
        client = world.connect()
        assert b"STARTTLS" not in client.greeting
        client.bad("STARTTLS")

    def test_starttls(self, make_world):
        client = make_world(starttls="offered").connect()
        assert b"STARTTLS" in client.greeting
        # what an attacker puts behind it is dropped
        assert client.send(b"a STARTTLS\r\nb LOGIN eve pw\r\n").startswith(b"a OK")
        assert any(isinstance(step, StartTLS) for step in client.steps)
        assert client.record.user is None
        assert b"STARTTLS" not in client.ok("CAPABILITY")
        client.bad("STARTTLS")
        assert client.ok("LOGIN bob pw")

    def test_a_rule_that_refuses_starttls_keeps_the_connection_clear(self, make_world):
        world = make_world(starttls="offered")
        world.rules.add(world.scopes.root, "imap", "STARTTLS", stage="reply", match={}).respond_with("NO", "not now")
        client = world.connect()
        client.record.listener = "imap"
        client.no("STARTTLS")
        assert not any(isinstance(step, StartTLS) for step in client.steps)

    @pytest.mark.parametrize("settings", [{"starttls": "required"}, {"auth_before_tls": False}])
    def test_no_login_in_clear(self, make_world, settings):
        world = make_world(**settings)
        client = world.connect()
        assert b"LOGINDISABLED" in client.greeting
        assert b"AUTH=" not in client.greeting
        assert client.no("LOGIN bob pw").startswith("NO [PRIVACYREQUIRED]")
        assert client.no("AUTHENTICATE PLAIN").startswith("NO [PRIVACYREQUIRED]")

    def test_implicit_tls(self, make_world):
        client = make_world(starttls="required").connect(implicit_tls=True)
        assert b"LOGINDISABLED" not in client.greeting
        assert b"STARTTLS" not in client.greeting
        assert client.ok("LOGIN bob pw")


class TestEnd:
    def test_logout(self, world):
        client = world.select()
        untagged, tagged = client.raw("LOGOUT")
        assert untagged.startswith(b"* BYE")
        assert tagged.startswith(b"OK")
        assert client.closed is not None

    def test_commands_behind_logout_are_not_heard(self, world):
        client = world.login()
        assert b"CREATE" not in client.send(b"a LOGOUT\r\nb CREATE x\r\n")
        assert world.store.mailbox(world.account(), "x") is None

    def test_what_was_sent_before_the_end_is_answered(self, world):
        client = world.login()
        client.session.receive(b"a NOOP\r\nb NOOP\r\nc NO")
        client.session.end_of_input()
        client.run()
        assert client.take() == b"a OK NOOP completed\r\nb OK NOOP completed\r\n"
        assert client.closed is not None

    def test_idle_for_too_long(self, world):
        assert world.login().session.expired().startswith(b"* BYE")


class TestSmallCommands:
    def test_id(self, world):
        client = world.connect()
        assert client.ok('ID ("name" "x" "version" NIL)').startswith(b'* ID ("name" "mailtrap" "version" "')
        assert client.ok("ID NIL")
        assert client.ok("ID ()")
        for wrong in ("ID", 'ID ("name")', "ID (name x)", "ID (" + " ".join(['"a" "b"'] * 31) + ")"):
            client.bad(wrong)

    def test_the_limits_of_id(self, world):
        # RFC 2971, 3.3: 30 pairs, 30 octets of a name, 1024 of a value, no name twice
        client = world.connect()
        pairs = [f'"{n:030}" "v"' for n in range(31)]
        for right in (pairs[:30], [f'"a" "{"v" * 1024}"'], ['"" ""'], ['"a" NIL', '"b" NIL']):
            assert client.ok(f"ID ({' '.join(right)})")
        for wrong in (pairs, [f'"{"n" * 31}" "v"'], [f'"a" "{"v" * 1025}"'], ['"a" "1"', '"A" "2"']):
            client.bad(f"ID ({' '.join(wrong)})")
        assert b" BAD " in client.literal(b"ID ({} NIL)", b"n" * 31)
        assert b" BAD " in client.literal(b"ID (x {})".replace(b"x", b'"x"'), b"v" * 1025)

    def test_namespace(self, world):
        assert world.login().ok("NAMESPACE") == b'* NAMESPACE (("" "/")) (("user/" "/")) NIL\r\n'

    def test_a_namespace_with_letters_of_all_kinds(self, make_world):
        client = make_world(imap_namespace="Köln", imap_other_users="über").login()
        assert client.ok("NAMESPACE") == b'* NAMESPACE (("K&APY-ln/" "/")) (("&APw-ber/" "/")) NIL\r\n'
        client.ok("ENABLE IMAP4rev2")
        assert client.ok("NAMESPACE") == '* NAMESPACE (("Köln/" "/")) (("über/" "/")) NIL\r\n'.encode()

    def test_enable_passes_over_what_it_does_not_know(self, world):
        assert world.login().ok("ENABLE X-FOO IDLE") == b"* ENABLED\r\n"
        world.login().bad("ENABLE")

    def test_noop_in_every_state(self, world):
        assert world.connect().ok("NOOP")
        assert world.select().ok("noop")
        assert world.select().ok("CHECK")

    def test_nothing_may_follow(self, world):
        client = world.select()
        for verb in ("NOOP", "CHECK", "CAPABILITY", "NAMESPACE", "UNSELECT", "CLOSE", "EXPUNGE", "IDLE", "LOGOUT"):
            client.bad(f"{verb} x")
