"""What a neighbour waits for, against a plain list of it."""

from hypothesis import given
from hypothesis import strategies as st

from minibit import bitfield
from minibit.engine.request_queue import RequestQueue
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
