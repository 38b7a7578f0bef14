"""A program that reads with aioimaplib, tested in the event loop it runs in."""

from email.message import EmailMessage

import aioimaplib
import pytest

from pytest_mailtrap import AsyncMailServer


async def newest_subject(host: str, port: int) -> str:
    """What the application does."""
    client = aioimaplib.IMAP4(host, port)
    await client.wait_hello_from_server()
    await client.login("ann@example.com", "pw")
    await client.select("INBOX")
    _, lines = await client.fetch("*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    await client.logout()
    header = bytes(lines[1]).decode()
    return header.partition(":")[2].strip()


@pytest.mark.asyncio
async def test_newest_subject(async_mailserver: AsyncMailServer) -> None:
    await async_mailserver.add_account("ann@example.com", password="pw")
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "bob@example.com", "Newest"
    await async_mailserver.deliver(mail, recipients="ann@example.com")

    imap = async_mailserver.imap
    assert await newest_subject(imap.host, imap.port) == "Newest"
