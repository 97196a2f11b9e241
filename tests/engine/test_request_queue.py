"""What a neighbour waits for, against a plain list of it; and requests of several chunks, cut."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from minibit import bitfield
from minibit.engine.request_queue import RequestQueue
from minibit.torrent.layout import CHUNK_SIZE
from minibit.wire.messages import Request

REQUESTS = st.builds(Request, st.integers(0, 5), st.sampled_from([0, 16384, 32768]), st.just(16384))
DEEDS = st.tuples(st.sampled_from(["add", "remove", "take", "drop"]), REQUESTS, st.integers(0, 40000))


@given(st.lists(DEEDS))
def test_it_is_a_list_kept_by_block(deeds: list[tuple[str, Request, int]]) -> None:
    queue, plain = RequestQueue(), list[Request]()
    for deed, request, room in deeds:
        of_block = [each for each in plain if each.index == request.index]
        match deed:
            case "add":
                new = request not in plain
                assert queue.add(request) == new
                plain += [request] * new
            case "remove":
                assert queue.remove(request) == (request in plain)
                plain = [each for each in plain if each != request]
            case "take" if of_block:
                count = max(1, -(-room // 16384))
                taken = of_block[:count]
                assert queue.take(request.index, room) == (taken, 16384 * len(taken)), "in their order"
                plain = [each for each in plain if each not in taken]
            case "drop":
                assert queue.drop(1 << request.index) == of_block
                plain = [each for each in plain if each not in of_block]
        assert sorted(queue, key=repr) == sorted(plain, key=repr)
        assert len(queue) == len(plain)
        assert queue.blocks == bitfield.union(each.index for each in plain)
        assert (request in queue) == (request in plain)


def test_the_oldest_is_the_block_that_was_asked_for_first() -> None:
    queue = RequestQueue()
    for block in (4, 2, 3, 4):
        queue.add(Request(block, 16384 * len(queue), 16384))
    assert queue.oldest == 4
    queue.drop(1 << 4)
    assert queue.oldest == 2


LONG = st.builds(
    lambda block, first, count: Request(block, first * CHUNK_SIZE, count * CHUNK_SIZE),
    st.integers(0, 1),
    st.integers(0, 15),
    st.integers(1, 8),
)


def chunks_of(requests: Iterable[Request]) -> list[tuple[int, int]]:
    return [
        (each.index, chunk)
        for each in requests
        for chunk in range(each.begin // CHUNK_SIZE, (each.begin + each.length) // CHUNK_SIZE)
    ]


@given(st.lists(LONG, max_size=6), LONG)
def test_what_is_cut_out_is_asked_for_no_more_and_all_else_is(asked: list[Request], back: Request) -> None:
    queue = RequestQueue()
    for request in asked:
        queue.add(request)
    before, gone = sorted(chunks_of(queue)), set(chunks_of([back]))
    removed = queue.cut_out(back, 23 * CHUNK_SIZE)
    assert set(chunks_of(removed)) == gone & set(before)
    left = chunks_of(queue)
    assert set(left) == set(before) - gone
    assert len(queue) == len(list(queue))
    assert queue.blocks == bitfield.union(request.index for request in queue)


@given(st.lists(LONG, min_size=1, max_size=6), st.integers(1, 1 << 18), st.integers(1, 1 << 18))
def test_long_requests_leave_in_parts_and_in_order(asked: list[Request], room: int, longest: int) -> None:
    queue, waiting = RequestQueue(), []
    for request in asked:
        if request.index == 0 and not set(chunks_of([request])) & set(chunks_of(queue)):
            queue.add(request)
            waiting += chunks_of([request])
    left: list[Request] = []
    while queue:
        taken, size = queue.take(0, room, longest)
        assert size == sum(request.length for request in taken)
        assert size < room + CHUNK_SIZE
        assert all(request.length < longest + CHUNK_SIZE for request in taken)
        left += taken
    assert chunks_of(left) == waiting


def test_what_may_not_be_cut_leaves_whole() -> None:
    queue = RequestQueue()
    queue.add(Request(0, 0, 8 * CHUNK_SIZE))
    assert queue.take(0, 1) == ([Request(0, 0, 8 * CHUNK_SIZE)], 8 * CHUNK_SIZE)
