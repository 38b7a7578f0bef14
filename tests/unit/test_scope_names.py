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


def test_a_name_that_was_given_thousands_of_times_is_not_counted_through_again() -> None:
    looks = 0

    class Names(dict[str, object]):
        def __contains__(self, name: object) -> bool:
            nonlocal looks
            looks += 1
            return super().__contains__(name)

    server = MailServer()
    server._parts.scopes._by_name = Names(server._parts.scopes._by_name)  # type: ignore[assignment]
    names = [server.scope("test_it").name for _ in range(500)]
    assert names == ["test_it", *(f"test_it-{number}" for number in range(2, 501))]
    assert looks <= 1000
    server.stop()
