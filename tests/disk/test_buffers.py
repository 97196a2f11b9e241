"""The pool of buffers: bounded, used again, and nobody writes into what is not his any more."""

import pytest
from fakes.disks import free
from hypothesis import given
from hypothesis import strategies as st

from minibit.disk.buffers import BufferPool


def test_buffers_are_used_again_and_bounded() -> None:
    pool = BufferPool(100, 250)
    first = pool.acquire(100)
    memory = first.obj
    second = pool.acquire(7)
    assert len(second) == 7
    assert free(pool) == 0
    with pytest.raises(BufferError, match="all 2 block buffers are in use"):
        pool.acquire(1)
    pool.release(first)
    again = pool.acquire(50)
    assert again.obj is memory
    assert len(again) == 50


def test_a_pool_lends_at_least_one_buffer() -> None:
    assert free(BufferPool(16 << 20, 1)) == 1


@pytest.mark.parametrize("length", [0, -1, 101])
def test_a_pool_lends_only_what_fits(length: int) -> None:
    with pytest.raises(ValueError, match="from a pool of 100"):
        BufferPool(100, 1000).acquire(length)


def test_a_buffer_given_back_is_dead_to_who_kept_it() -> None:
    pool = BufferPool(100, 200)
    view = pool.acquire(100)
    pool.release(view)
    with pytest.raises(ValueError, match="released"):
        view[0] = 1
    with pytest.raises(ValueError, match="released"):
        pool.release(view)
    assert free(pool) == 2


def test_a_buffer_is_given_back_once_and_to_its_own_pool() -> None:
    pool = BufferPool(100, 200)
    view = pool.acquire(100)
    part = view[:10]
    pool.release(view)
    for stranger in (part, memoryview(bytearray(100)), memoryview(b"x")):
        with pytest.raises(ValueError, match="not lent"):
            pool.release(stranger)
    assert free(pool) == 2


@given(st.lists(st.integers(-3, 100), max_size=60))
def test_lent_buffers_never_overlap_and_none_is_lost(steps: list[int]) -> None:
    pool = BufferPool(100, 500)
    lent: list[memoryview] = []
    for step in steps:
        if step > 0 and len(lent) < 5:
            lent.append(pool.acquire(step))
        elif step <= 0 and lent:
            pool.release(lent.pop(step % len(lent)))
        assert free(pool) + len(lent) == 5
        assert len({id(view.obj) for view in lent}) == len(lent)
