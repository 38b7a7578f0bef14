"""The commands that send mail, read a running server, and move mail between it and files.

Those that read talk to the HTTP listener at ``--url`` (or ``MAILTRAP_URL``); ``export`` and ``import`` open a store
without a server where ``--store`` names one.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from . import config

if TYPE_CHECKING:
    from .message.model import Message
    from .server import MailServer

Speaking = Callable[[], AbstractContextManager[None]]

_PREFIX: Final = "MAILTRAP_"
_FORMS: Final = ("text", "html", "headers", "raw", "transcript", "json")


def register(main: click.Group, speaking: Speaking) -> None:
    """Add the commands to a group.

    Args:
        speaking: prints our own errors and exits with 2.
    """
    for command in (send, list_, show, wait, export, import_):
        callback = command.callback
        assert callback is not None
        command.callback = partial(_run, speaking, callback)
        main.add_command(command)
    main.add_command(sendmail)


def _run(speaking: Speaking, callback: Callable[..., None], **arguments: Any) -> None:
    with speaking():
        callback(**arguments)


# ---------------------------------------------------------------- where it is


def default_url() -> str:
    """The HTTP listener of a server with the default port, on this machine."""
    port = os.environ.get(f"{_PREFIX}HTTP_PORT") or config.BOOT["http_port"].metadata["serve"]
    return f"http://127.0.0.1:{port}"


def _at_url(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option("--scope", default="", help="of the mail; without it the first")(command)
    return click.option(
        "--url", envvar=f"{_PREFIX}URL", default=None, help="of the server's HTTP listener  [http://127.0.0.1:8025]"
    )(command)


@contextmanager
def _connected(url: str | None, scope: str = "") -> Iterator["MailServer"]:
    from .server import MailServer

    with MailServer.connect(url or default_url()) as server:
        view = server.view(scope)
        if view is None:
            raise click.UsageError(f"there is no scope {scope!r}")
        yield view


@contextmanager
def _opened(url: str | None, store: str | None) -> Iterator["MailServer"]:
    """A running server, or one that is made for a store and does not listen."""
    if store is None:
        with _connected(url) as view:
            yield view
        return
    if url is not None:
        raise click.UsageError("a store or the URL of a server, not both")
    from .server import MailServer

    server = MailServer(store=store)
    try:
        yield server
    finally:
        server.stop()


# ---------------------------------------------------------------- sending


@click.command()
@click.argument("recipients", nargs=-1, required=True)
@click.option("--host", envvar=f"{_PREFIX}SMTP_HOST", default="127.0.0.1", show_default=True)
@click.option("--port", envvar=f"{_PREFIX}SMTP_PORT", default=1025, show_default=True)
@click.option("--url", default=None, help="of a server's HTTP listener, which says where its SMTP listener is")
@click.option("--from", "mail_from", default="sender@example.com", show_default=True)
@click.option("--subject", default=None, help="without it the mail is read from standard input, headers and all")
@click.option("--text", default="Sent by mailtrap send.", show_default=True)
def send(
    recipients: Sequence[str], host: str, port: int, url: str | None, mail_from: str, subject: str | None, text: str
) -> None:
    """Send a mail to RECIPIENTS over SMTP."""
    import smtplib
    from email.message import EmailMessage
    from email.utils import formatdate, make_msgid

    if url is not None:
        with _connected(url) as server:
            host, port = server.smtp.host, server.smtp.port
    if subject is None:
        raw = sys.stdin.buffer.read()
    else:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = mail_from, ", ".join(recipients), subject
        mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain="mailtrap.test")
        mail.set_content(text)
        raw = mail.as_bytes()
    try:
        with smtplib.SMTP(host, port, local_hostname="localhost", timeout=10) as smtp:
            refused = smtp.sendmail(mail_from, list(recipients), raw)
    except (OSError, smtplib.SMTPException) as error:
        raise click.ClickException(f"{host}:{port}: {error}") from error
    for recipient, (code, reason) in refused.items():
        click.echo(f"{recipient}: {code} {reason.decode('utf-8', 'replace')}", err=True)
    if refused:
        sys.exit(1)
    click.echo("sent")


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sendmail(arguments: Sequence[str]) -> None:
    """Send the mail on standard input, as /usr/sbin/sendmail does: -t -i -f ADDRESS -F NAME, and recipients.

    It goes to MAILTRAP_SMTP_HOST and MAILTRAP_SMTP_PORT (127.0.0.1:1025). Options that only a mail server's own
    sendmail understands are passed over. Exit codes are those of sysexits.h.
    """
    from .sendmail import main

    sys.exit(main(arguments, sys.stdin.buffer.read, os.environ))


# ---------------------------------------------------------------- reading


@click.command("list")
@_at_url
@click.argument("query", nargs=-1)
@click.option("--limit", default=50, show_default=True, help="messages at most, the newest first")
@click.option("--json", "as_json", is_flag=True, help="one JSON object on each line")
def list_(url: str | None, scope: str, query: Sequence[str], limit: int, as_json: bool) -> None:
    """List messages, the newest first; with QUERY those that it fits, as: from:alice subject:"Hello" is:unread."""
    with _connected(url, scope) as server:
        asked = " ".join(query)
        found = server.search(asked, limit=limit) if asked else server.page(limit=limit)
        for message in found:
            click.echo(json.dumps(_heading(message)) if as_json else _line(message))


@click.command()
@_at_url
@click.argument("id")
@click.option("--as", "form", type=click.Choice(_FORMS), default="text", show_default=True)
def show(url: str | None, scope: str, id: str, form: str) -> None:  # noqa: A002  as it is shown to users
    """Print one message by its ID; "latest" is the newest that was submitted."""
    with _connected(url, scope) as server:
        found = next(iter(server.page(limit=1, submitted=True)), None) if id == "latest" else server.get(id)
        if found is None:
            raise click.ClickException(f"there is no message {id}")
        _print(found, form)


@click.command()
@_at_url
@click.option("--to", default=None, help="an address in the To field")
@click.option("--from", "from_", default=None, help="the address in the From field")
@click.option("--recipient", "recipients", default=None, help="an address of the envelope")
@click.option("--subject", default=None, help="the whole subject")
@click.option("--query", default=None, help='in the language of searches, as: subject:"Hello" has:attachment')
@click.option("--since", default=None, metavar="MARK", help="only what came after a mark, as --mark prints it")
@click.option("--latest", is_flag=True, help="the newest, where several match; else that is an error")
@click.option("--timeout", default=5.0, show_default=True, help="seconds")
@click.option("--as", "form", type=click.Choice(_FORMS), default="json", show_default=True)
@click.option("--mark", is_flag=True, help="wait for nothing: print this moment in the order of messages")
def wait(
    url: str | None, scope: str, timeout: float, form: str, latest: bool, mark: bool, since: str | None, **asked: Any
) -> None:
    """Wait for the one message that matches, and print it. Exit with 1, and say what came instead, when none does."""
    from .errors import AmbiguousMessage, MessageNotFound
    from .waiting import Mark

    criteria = {name: value for name, value in asked.items() if value is not None}
    with _connected(url, scope) as server:
        if mark:
            found = server.mark()
            click.echo(f"{found.life}:{found.seq}")
            return
        if since is not None:
            life, _, seq = since.rpartition(":")
            if not (life and seq.isdecimal()):
                raise click.UsageError(f"--since is a mark as --mark prints it, not {since!r}")
            criteria["since"] = Mark(life, int(seq))
        try:
            look = server.latest if latest else server.message
            message = look(timeout=timeout, **criteria)
        except (MessageNotFound, AmbiguousMessage) as error:
            click.echo(str(error), err=True)
            sys.exit(1)
        _print(message, form)


def _heading(message: "Message") -> dict[str, Any]:
    return {
        "id": message.id,
        "received_at": message.received_at.isoformat(),
        "origin": message.origin,
        "size": message.size,
        "mail_from": str(message.mail_from),
        "recipients": [str(recipient) for recipient in message.recipients],
        "from": str(message.from_),
        "to": [str(address) for address in message.to],
        "subject": message.subject,
    }


def _line(message: "Message") -> str:
    route = f"{message.mail_from or '<>'} > {', '.join(message.recipients)}"
    return f"{message.id}  {message.received_at:%Y-%m-%d %H:%M:%S}  {route}  {message.subject!r}"


def _print(message: "Message", form: str) -> None:
    if form == "raw":
        sys.stdout.buffer.write(message.raw)
    elif form == "headers":
        click.echo("".join(f"{name}: {value}\n" for name, value in message.headers.pairs), nl=False)
    elif form == "transcript":
        click.echo(message.transcript)
    elif form == "html":
        if message.html is None:
            raise click.ClickException("it has no HTML")
        click.echo(message.html)
    elif form == "json":
        parts = [part.filename for part in message.attachments]
        links = [link.href for link in message.links]
        described = {**_heading(message), "text": message.plain, "attachments": parts, "links": links,
                     "codes": list(message.codes)}  # fmt: skip
        click.echo(json.dumps(described, indent=2))
    else:
        click.echo(f"From:    {message.from_.original or '-'}")
        click.echo(f"To:      {', '.join(address.original for address in message.to) or '-'}")
        click.echo(f"Subject: {message.subject}")
        for part in message.attachments:
            click.echo(f"Attached: {part.filename or '-'} ({part.content_type}, {part.size} octets)")
        click.echo(f"\n{message.plain}")


# ---------------------------------------------------------------- mail and files


@click.command()
@click.option("--url", envvar=f"{_PREFIX}URL", default=None, help="of the server's HTTP listener")
@click.option("--store", default=None, help="a store that no server has open, as sqlite:///mail.db")
@click.option("--account", "accounts", multiple=True, metavar="ADDRESS", help="of these alone; may be repeated")
@click.option(
    "--format", "form", type=click.Choice(["mbox", "maildir", "eml"]), default="mbox", show_default=True
)  # fmt: skip
@click.argument("target", type=click.Path(file_okay=False, path_type=Path))
def export(url: str | None, store: str | None, accounts: Sequence[str], form: Any, target: Path) -> None:
    """Write the mail of all accounts into the folder TARGET: bytes exactly, with mailboxes, flags and dates."""
    from . import exporting
    from .errors import NoSuchAccount

    with _opened(url, store) as server:
        there = {str(account.address): account for account in server.accounts}
        for address in accounts:
            if address not in there:
                raise NoSuchAccount(f"there is no account {address}; there are: {', '.join(there) or 'none'}")
        chosen = [there[address] for address in accounts or there]
        with _bar(exporting.number(chosen), "exporting") as bar:
            written = exporting.export(chosen, target, form, lambda: bar.update(1))
    click.echo(f"{written} mails of {len(chosen)} accounts in {target}")


@click.command("import")
@click.option("--url", envvar=f"{_PREFIX}URL", default=None, help="of the server's HTTP listener")
@click.option("--store", default=None, help="a store that no server has open, as sqlite:///mail.db")
@click.argument("sources", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def import_(url: str | None, store: str | None, sources: Sequence[Path]) -> None:
    """Put the mail of SOURCES into mailboxes: what export wrote, .eml, a folder of them, mbox, Maildir, TOML."""
    from .seeding import seed

    number = 0
    with _opened(url, store) as server:
        for source in sources:
            bars: list[Any] = []

            def begin(mails: int, bars: list[Any] = bars) -> Callable[[], None]:
                bars.append(_bar(mails, "importing"))
                bars[0].__enter__()
                nonlocal number
                number += mails
                return lambda: bars[0].update(1)

            try:
                seed(server, source, begin)
            finally:
                for bar in bars:
                    bar.__exit__(None, None, None)
    click.echo(f"{number} mails")


def _bar(length: int, label: str) -> Any:
    """A progress bar, where somebody looks: into a pipe or a file click writes none."""
    return click.progressbar(length=length, label=label, file=sys.stderr, update_min_steps=max(1, length // 200))
