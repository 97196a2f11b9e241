"""What a web page makes a browser ask is refused; what anybody else asks is not."""

import socket

import pytest

from minibit.serve.visitors import Visitors, host_name


def fault(host: str, *names: str, **headers: str) -> str | None:
    said = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Visitors(names).fault({b"host": host.encode()} | said)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:5000", "192.0.2.7", "[::1]:5000", "localhost:5000", "LOCALHOST.", socket.gethostname(), ""],
)
def test_addresses_and_own_names_lead_here(host: str) -> None:
    assert fault(host) is None


def test_a_name_whose_page_leads_it_here_for_a_while_is_refused_unless_it_is_allowed() -> None:
    assert "--allow-host evil.example" in (fault("evil.example:5000") or "")
    assert "not called" in (fault("127.0.0.1.evil.example") or "")
    assert fault("Tracker.Example:5000", "tracker.example.") is None


@pytest.mark.parametrize("host", ["a b", "host:port", "user@host", "host:123456", "x" * 300, "127.0.0.1, x"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    assert "host:port" in (fault(host) or "")
    assert host_name(host) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8000"},
    ],
)
def test_what_a_page_of_another_site_asks_is_refused(headers: dict[str, str]) -> None:
    assert "web page" in (fault("127.0.0.1:5000", **headers) or "")


def test_the_trackers_own_pages_and_its_address_typed_in_are_answered() -> None:
    assert fault("127.0.0.1:5000", sec_fetch_site="none") is None
    assert fault("127.0.0.1:5000", sec_fetch_site="same-origin", origin="http://127.0.0.1:5000") is None
