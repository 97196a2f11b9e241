"""The kinds themselves: each named once, documented, a plain value."""

from dataclasses import fields
from typing import get_args

from minibit.events.kinds import KINDS, Event


def test_every_kind_is_named_and_says_what_it_is() -> None:
    assert set(KINDS.values()) == set(get_args(Event))
    assert len(set(KINDS.values())) == len(KINDS)
    for name, kind in KINDS.items():
        assert name.replace(" ", "") == kind.__name__.lower()
        assert kind.__doc__
        assert not kind.__doc__.startswith(f"{kind.__name__}("), "dataclass has made that up"
        assert not {"t", "peer", "event"} & {field.name for field in fields(kind)}
