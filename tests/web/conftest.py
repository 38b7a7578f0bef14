"""A server that does not listen, and a client of its application; and one that does, where sockets matter."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from mailtrap import MailServer
from mailtrap.web import create_app


@pytest.fixture
def server() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.stop()
    assert not server.errors


@pytest.fixture
def client(server: MailServer) -> FlaskClient:
    return create_app(server).test_client()


@pytest.fixture
def running() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server
