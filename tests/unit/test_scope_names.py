"""Names of scopes: each has a mail domain of its own."""

import pytest

from mailtrap import MailServer


@pytest.mark.parametrize("name", ["short", "x" * 62, "y" * 300, "test_it[a b/c]", "İ" * 70])
def test_a_name_that_is_taken_gets_a_number_and_a_domain_of_its_own(name: str) -> None:
    server = MailServer()
    scopes = [server.scope(name) for _ in range(12)]
    assert len({scope.name for scope in scopes}) == 12
    domains = {scope.address("bob").domain for scope in scopes}
    assert len(domains) == 12
    assert all(len(domain.removesuffix(".test")) <= 63 for domain in domains)
    server.stop()
