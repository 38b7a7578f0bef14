"""A FastAPI application with FastAPI-Mail, tested in the event loop it runs in.

No plugin for coroutines is needed by the fixture; this test uses pytest-asyncio. Waiting with ``mailserver`` in a
coroutine would stop the loop that has to send, so it raises ``BlockingWait``; ``async_mailserver`` is awaited.
"""

import pytest
from fastapi_mail import ConnectionConfig, FastMail, MessageSchema, MessageType
from pydantic import NameEmail

from pytest_mailtrap import AsyncMailServer


async def send_code(config: ConnectionConfig, address: str) -> None:
    """What the application does."""
    html = "<p>Your verification code is <b>482 913</b>. It is valid for 10 minutes.</p>"
    message = MessageSchema(
        subject="Your code", recipients=[NameEmail("Dave", address)], body=html, subtype=MessageType.html
    )
    await FastMail(config).send_message(message)


@pytest.mark.asyncio
async def test_code(async_mailserver: AsyncMailServer) -> None:
    config = ConnectionConfig(**async_mailserver.config_for("fastapi-mail"))

    await send_code(config, "dave@example.com")

    message = await async_mailserver.message(to="dave@example.com", subject="Your code")
    assert message.code() == "482913"
