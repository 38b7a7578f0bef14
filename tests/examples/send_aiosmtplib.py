"""An application that sends many mails at once with aiosmtplib."""

import asyncio
from email.message import EmailMessage

import aiosmtplib
import pytest

from pytest_mailtrap import AsyncMailServer


async def notify(addresses: list[str], host: str, port: int) -> None:
    """What the application does."""
    mails = []
    for address in addresses:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "news@example.com", address, "News"
        mail.set_content("Something happened.\n")
        mails.append(mail)
    await asyncio.gather(*(aiosmtplib.send(mail, hostname=host, port=port) for mail in mails))


@pytest.mark.asyncio
async def test_everybody_is_told(async_mailserver: AsyncMailServer) -> None:
    smtp = async_mailserver.smtp
    addresses = [f"reader-{number}@example.com" for number in range(20)]

    await notify(addresses, smtp.host, smtp.port)

    messages = await async_mailserver.wait_for(exactly=20, subject="News")
    assert sorted(message.recipients[0] for message in messages) == sorted(addresses)
