"""Which files lie under which bytes, with empty files and padding among them, against a plain map."""

from hypothesis import given
from hypothesis import strategies as st

from minibit.disk.spans import Spans
from minibit.torrent import bencode, metainfo
from minibit.torrent.metainfo import Metainfo

BLOCK = 1024

PARTS = st.lists(st.tuples(st.integers(0, 3000), st.booleans()), min_size=1, max_size=8).filter(
    lambda parts: any(length and not padding for length, padding in parts)
)


def padded(parts: list[tuple[int, bool]]) -> Metainfo:
    """A share of these parts: (length, whether it is padding)."""
    total = sum(length for length, _ in parts)
    files = [
        {"length": length, "path": [".pad" if padding else str(place)], "attr": "p" * padding}
        for place, (length, padding) in enumerate(parts)
    ]
    info = {"name": "s", "piece length": BLOCK, "pieces": bytes(20 * -(-total // BLOCK)), "files": files}
    return metainfo.parse(bencode.encode({"info": info}))


def whose(share: Metainfo) -> list[tuple[int, int] | None]:
    """Of each byte: (file, offset in it), or None."""
    owners: list[tuple[int, int] | None] = [None] * share.layout.total_size
    for index, entry in enumerate(share.files):
        for at in range(entry.length):
            owners[entry.offset + at] = index, at
    return owners


@given(PARTS, st.data())
def test_every_byte_lies_where_it_should(parts: list[tuple[int, bool]], data: st.DataObject) -> None:
    share = padded(parts)
    owners = whose(share)
    start = data.draw(st.integers(0, len(owners)))
    end = data.draw(st.integers(start, len(owners)))
    found: list[tuple[int, int] | None] = []
    for index, at, size in Spans(share).under(start, end - start):
        assert size > 0
        found += [None if index is None else (index, at + i) for i in range(size)]
    assert found == owners[start:end]


@given(PARTS)
def test_every_block_knows_its_files(parts: list[tuple[int, bool]]) -> None:
    share = padded(parts)
    spans, owners = Spans(share), whose(share)
    for block in range(share.layout.block_count):
        inside = {owner[0] for owner in owners[block * BLOCK : (block + 1) * BLOCK] if owner is not None}
        named = {index for index in spans.files_of(block) if share.files[index].length}
        assert named == inside
        behind = {owner[0] for owner in owners[block * BLOCK :] if owner is not None}
        assert set(spans.files_from(block * BLOCK)) == behind
