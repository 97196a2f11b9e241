"""The kinds themselves: each named once, documented, a plain value."""

from typing import get_args

from minibit.events.kinds import KINDS, Event


def test_every_kind_is_named_and_says_what_it_is() -> None:
    assert set(KINDS.values()) == set(get_args(Event))
    assert len(set(KINDS.values())) == len(KINDS)
    for name, kind in KINDS.items():
        assert name.replace(" ", "") == kind.__name__.lower()
        assert kind.__doc__
        assert not {"t", "peer", "event"} & set(kind.__struct_fields__)
