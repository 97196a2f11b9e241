"""What one source may send in a second."""

from minibit.serve.allowance import PER_SOURCE, Allowance


def admitted(allowance: Allowance, ip: str, now: float = 1.0) -> int:
    return sum(allowance.admits(ip, now) for _ in range(PER_SOURCE + 100))


def test_a_flood_is_cut_off_for_the_rest_of_its_second_and_nobody_elses() -> None:
    allowance = Allowance(1)
    assert admitted(allowance, "192.0.2.1") == PER_SOURCE
    assert not allowance.admits("192.0.2.1", 1.9)
    assert allowance.admits("192.0.2.1", 2.0)


def test_all_of_a_networks_addresses_are_one_source() -> None:
    allowance = Allowance(1)
    assert admitted(allowance, "2001:db8::1") == PER_SOURCE
    assert not allowance.admits("2001:db8::2", 1.0)
