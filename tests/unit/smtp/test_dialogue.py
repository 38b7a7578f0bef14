"""Whole conversations: what a client says, what it is told, and what is kept."""


def test_one_mail_from_greeting_to_quit(world):
    client = world.open()
    assert client.greeting == b"220 mailtrap.test ESMTP ready\r\n"
    assert client.say("EHLO client.example")[0] == "250-mailtrap.test"
    assert client.say("MAIL FROM:<a@example.com>") == ["250 2.1.0 Ok"]
    assert client.say("RCPT TO:<bob@x.test>") == ["250 2.1.5 Ok"]
    assert client.say("DATA") == ["354 End data with <CR><LF>.<CR><LF>"]
    assert client.send(b"Subject: hello\r\n\r\nHi\r\n.\r\n") == b"250 2.0.0 Ok: kept\r\n"
    assert client.say("QUIT") == ["221 2.0.0 Bye"]
    assert client.closed is not None
    (row,) = world.messages
    assert world.raw() == b"Subject: hello\r\n\r\nHi\r\n"
    assert row.origin == "smtp"
    assert row.envelope.mail_from == "a@example.com"
    assert row.envelope.recipients == ("bob@x.test",)
    assert row.session is client.record
    assert client.record.helo == "client.example"
    assert world.errors == []


def test_the_transcript_of_a_mail_is_its_transaction(world):
    client = world.open().begin()
    client.say("DATA", "hello", ".")
    client.say("RSET")
    lines = [line.split(b" ", 2) for line in world.messages[0].transcript.splitlines()]
    assert [(words[0], words[-1]) for words in lines] == [
        (b"C", b"MAIL FROM:<a@example.com>"),
        (b"S", b"2.1.0 Ok"),
        (b"C", b"RCPT TO:<bob@x.test>"),
        (b"S", b"2.1.5 Ok"),
        (b"C", b"DATA"),
        (b"S", b"End data with <CR><LF>.<CR><LF>"),
        (b"*", b"octets of message"),
        (b"S", b"2.0.0 Ok: kept"),
    ]
    assert b"* 7 octets of message\n" in world.messages[0].transcript
    assert "EHLO" in client.record.transcript
    assert [command.verb for command in client.record.commands] == ["EHLO", "MAIL", "RCPT", "DATA", "RSET"]


def test_replies_to_pipelined_commands_come_in_order(world):
    client = world.open().hello()
    mail = b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nhello\r\n.\r\n"
    answer = client.send(mail * 3 + b"QUIT\r\n").split(b"\r\n")
    codes = [line[:3] for line in answer]
    assert codes == [b"250", b"250", b"354", b"250"] * 3 + [b"221", b""]
    assert len(world.messages) == 3
