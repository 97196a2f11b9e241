"""The Range header: what is read, what is passed over, what is refused."""

import pytest

from minibit.dialects.byte_ranges import content_range, decode_range
from minibit.dialects.refusal import RequestError


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (b"bytes=0-99", range(100)),
        (b"bytes=5-5", range(5, 6)),
        (b"bytes=90-", range(90, 100)),
        (b"bytes=90-2000", range(90, 100)),
        (b"bytes=-10", range(90, 100)),
        (b"bytes=-1000", range(100)),
        (b" Bytes = 1 - 2 ", range(1, 3)),
        (b"", None),
        (b"bytes=-", None),
        (b"bytes=9-5", None),
        (b"bytes=0-1,5-6", None),
        (b"chapters=1-2", None),
        (b"bytes=1-9999999999999999999999", None),
        (b"bytes=\xff-1", None),
    ],
)
def test_what_is_wanted_of_a_hundred_bytes(header: bytes, wanted: range | None) -> None:
    assert decode_range(header, 100) == wanted


@pytest.mark.parametrize(("header", "length"), [(b"bytes=100-", 100), (b"bytes=-0", 100), (b"bytes=0-", 0)])
def test_bytes_that_do_not_exist_are_refused(header: bytes, length: int) -> None:
    with pytest.raises(RequestError, match=f"has {length} bytes") as caught:
        decode_range(header, length)
    assert caught.value.status == 416


def test_how_an_answer_says_it() -> None:
    assert content_range(range(5, 10), 100) == "bytes 5-9/100"
    assert content_range(None, 100) == "bytes */100"
