"""v1 metainfo: what we make parses back, and what could hurt is refused before anything is written."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibit.errors import MetainfoError
from minibit.torrent import bencode, metainfo
from minibit.torrent.layout import Layout
from minibit.torrent.metainfo import FileEntry, Metainfo

KIB = 1024


def single(**changes: Any) -> dict[str, Any]:
    """The info dictionary of one file of 40 KiB; a change to None leaves the key out."""
    info = {"name": "f.bin", "piece length": 16 * KIB, "pieces": bytes(60), "length": 40 * KIB}
    info |= {key.replace("_", " "): value for key, value in changes.items()}
    return {key: value for key, value in info.items() if value is not None}


def folder(*paths: list[Any], length: int = 10, **changes: Any) -> dict[str, Any]:
    files = [{"length": length, "path": path} for path in paths]
    digests = bytes(20 * -(-length * len(paths) // (16 * KIB))) if 0 < length < 1 << 30 else b""
    return single(**{"name": "s", "length": None, "files": files, "pieces": digests, **changes})


def parse(info: object) -> Metainfo:
    return metainfo.parse(bencode.encode({"info": info}))


def refused(info: object) -> str:
    with pytest.raises(MetainfoError) as caught:
        parse(info)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_single_file() -> None:
    info = single()
    found = parse(info)
    assert found.name == "f.bin"
    assert found.files == (FileEntry(("f.bin",), 40 * KIB, 0),)
    assert found.layout == Layout(40 * KIB, 16 * KIB)
    assert found.info == bencode.encode(info)
    assert found.info_hash == hashlib.sha1(bencode.encode(info)).digest()


def test_a_folder() -> None:
    found = parse(folder(["a"], ["b", "c"], ["d"]))
    assert found.files == (
        FileEntry(("s", "a"), 10, 0),
        FileEntry(("s", "b", "c"), 10, 10),
        FileEntry(("s", "d"), 10, 20),
    )


def test_a_folder_of_one_file_is_a_folder() -> None:
    assert parse(folder(["s"])).files == (FileEntry(("s", "s"), 10, 0),)


def test_each_block_has_its_digest() -> None:
    found = parse(single(pieces=b"a" * 20 + b"b" * 20 + b"c" * 20))
    assert [found.digest(block) for block in range(3)] == [b"a" * 20, b"b" * 20, b"c" * 20]


def test_keys_that_we_do_not_know_stay_in_the_info_hash() -> None:
    info = single(private=1, source=b"elsewhere")
    assert parse(info).info_hash == hashlib.sha1(bencode.encode(info)).digest()


NAMES = st.text(
    st.characters(whitelist_categories=("Ll", "Lu", "Lo", "Nd"), max_codepoint=0x2FFF),
    min_size=1,
    max_size=20,
).filter(lambda name: name.lower() not in metainfo._DEVICES)


@given(
    name=NAMES,
    paths=st.lists(
        st.lists(NAMES, min_size=1, max_size=4).map(tuple),
        min_size=1,
        max_size=8,
        unique_by=lambda path: path[0],
    ),
    lengths=st.lists(st.integers(1, 50_000), min_size=8, max_size=8),
)
def test_what_build_makes_survives_encode_and_parse(
    name: str, paths: list[tuple[str, ...]], lengths: list[int]
) -> None:
    files = [((str(i), *path), length) for i, (path, length) in enumerate(zip(paths, lengths, strict=False))]
    layout = Layout(sum(length for _, length in files), 16 * KIB)
    made = metainfo.build(name, files, 16 * KIB, bytes(20 * layout.block_count), folder=True)
    again = metainfo.parse(bencode.encode({"info": bencode.decode(made.info)}))
    assert again == made
    assert again.info_hash == made.info_hash
    assert again.layout == layout
    assert [(entry.path[1:], entry.length) for entry in again.files] == files
    assert [entry.offset for entry in again.files] == [
        sum(n for _, n in files[:i]) for i in range(len(files))
    ]


@given(st.binary(max_size=200))
def test_random_bytes_are_no_torrent(data: bytes) -> None:
    with pytest.raises(MetainfoError):
        metainfo.parse(data)


@given(st.data())
def test_a_damaged_torrent_parses_or_is_refused(data: st.DataObject) -> None:
    whole = bytearray(bencode.encode({"info": folder(["a"], ["b", "c"])}))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = metainfo.parse(bytes(whole))
    except MetainfoError:
        return
    assert parse(bencode.decode(found.info)) == found


SOMETHING_ELSE = [7, b"x", [], {}, [b"x"]]


@pytest.mark.parametrize("document", [*SOMETHING_ELSE, {"info": 5}, {"info": []}])
def test_a_document_of_the_wrong_shape(document: object) -> None:
    with pytest.raises(MetainfoError, match="'info' is missing or not a dictionary"):
        metainfo.parse(bencode.encode(document))


@pytest.mark.parametrize("data", [b"", b"d4:info", b"d4:infod4:name3:../ee", b"<html>", b"l" * 100_000])
def test_what_is_no_torrent_at_all(data: bytes) -> None:
    with pytest.raises(MetainfoError):
        metainfo.parse(data)


@pytest.mark.parametrize("key", ["name", "piece length", "pieces", "length"])
@pytest.mark.parametrize("value", [None, *SOMETHING_ELSE])
def test_a_field_missing_or_of_the_wrong_kind(key: str, value: object) -> None:
    right = {"name": bytes, "piece length": int, "pieces": bytes, "length": int}[key]
    if isinstance(value, right):
        value = [value]
    assert repr(key) in refused(single(**{key: value}))


@pytest.mark.parametrize("files", [7, b"x", {}, [7], [b"x"], [[]], [{}], [{"length": 5}], [{"path": ["a"]}]])
def test_files_of_the_wrong_kind(files: object) -> None:
    refused(single(length=None, files=files))


@pytest.mark.parametrize("path", [7, b"x", {}, [7], [["a"]], [], [b""], ["a"] * 65])
def test_paths_of_the_wrong_kind(path: object) -> None:
    refused(single(length=None, pieces=bytes(20), files=[{"length": 5, "path": path}]))


def test_both_one_file_and_many() -> None:
    assert "both" in refused(folder(["a"], length=10) | {"length": 10})


@pytest.mark.parametrize("size", [-1, 0, 1, 1023, 33 * 1024 * KIB, 1 << 60, 1 << 80])
def test_absurd_block_sizes(size: int) -> None:
    assert "piece length" in refused(single(piece_length=size))


@pytest.mark.parametrize("length", [-1, 0, (1 << 50) + 1, 1 << 62, 1 << 100])
def test_absurd_lengths(length: int) -> None:
    refused(single(length=length))


def test_absurd_lengths_in_a_folder() -> None:
    assert "total size" in refused(folder(["a"], ["b"], length=1 << 50))
    assert "total size" in refused(folder(["a"], ["b"], length=0))
    assert "length of -5" in refused(folder(["a"], ["b"], length=-5))


def test_more_blocks_than_we_keep_track_of() -> None:
    assert "exceed the limit" in refused(single(length=(1 << 21) * 1024 + 1, piece_length=1024))


@pytest.mark.parametrize("size", [0, 20, 59, 61, 80])
def test_hashes_that_do_not_fit_the_length(size: int) -> None:
    assert "3 blocks need 60" in refused(single(pieces=bytes(size)))


UNSAFE = [
    b"..",
    b".",
    b"",
    b"a/b",
    b"/etc/passwd",
    b"../x",
    b"..\\x",
    b"C:\\x",
    b"nul\0",
    b"a\nb",
    b"esc\x1b[2J",
    b"\x7f",
    "next\u0085line".encode(),
    b"con",
    b"CON",
    b"Con.txt",
    b"con .txt",
    b"lpt1.tar.gz",
    b"nul",
    b"trailing ",
    b"trailing.",
    b"...",
    b"\xff\xfe",
    "\ud800".encode("utf-8", "surrogatepass"),
    b"\xc0\xae\xc0\xae",  # ".." in overlong UTF-8
    b"x" * 256,
]


@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe_names_are_refused_wherever_they_stand(name: bytes) -> None:
    refused(single(name=name))
    refused(folder(["a"], name=name))
    refused(folder([name]))
    refused(folder(["a", name, "b"]))
    refused(folder(["fine"], ["a", name]))


@pytest.mark.parametrize(
    "name", ["...a", ".hidden", "console", "com0", "nul-1", "a b", "ã", "名前", "x" * 255]
)
def test_names_that_only_look_odd_are_fine(name: str) -> None:
    assert parse(folder([name])).files[0].path == ("s", name)


CLASHES = [
    (["a"], ["a"]),
    (["a"], ["A"]),
    (["stra\u00dfe"], ["STRASSE"]),
    (["e\u0301"], ["\u00e9"]),
    (["d", "x"], ["D", "X"]),
    (["a"], ["a", "b"]),
    (["a", "b"], ["a"]),
    (["A"], ["a", "b", "c"]),
    (["a"], ["a!"], ["a", "b"]),
]


@pytest.mark.parametrize("paths", CLASHES)
def test_two_files_at_one_place_are_refused(paths: tuple[list[str], ...]) -> None:
    for order in (paths, paths[::-1]):
        assert any(word in refused(folder(["0"], *order, ["z"])) for word in ("twice", "through another"))


@pytest.mark.parametrize(
    "paths", [(["a"], ["ab"]), (["a", "b"], ["ab"]), (["a", "x"], ["a", "y"]), (["a"], ["a b", "c"])]
)
def test_neighbouring_paths_are_no_clash(paths: tuple[list[str], ...]) -> None:
    assert len(parse(folder(*paths)).files) == 2


@given(
    st.lists(
        st.lists(st.sampled_from(["a", "b", "A", "a!", "a b"]), min_size=1, max_size=3),
        min_size=1,
        max_size=6,
    )
)
def test_clashes_are_exactly_equal_or_nested_paths(paths: list[list[str]]) -> None:
    folded = [tuple(element.lower() for element in path) for path in paths]
    clash = any(
        i != j and other[: len(path)] == path
        for i, path in enumerate(folded)
        for j, other in enumerate(folded)
    )
    if clash:
        refused(folder(*paths))
    else:
        assert [entry.path[1:] for entry in parse(folder(*paths)).files] == [tuple(path) for path in paths]


def test_more_files_than_we_lay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metainfo, "MAX_FILES", 3)
    assert len(parse(folder(*([str(i)] for i in range(3)))).files) == 3
    assert "4 files" in refused(folder(*([str(i)] for i in range(4))))


@pytest.mark.parametrize(
    "info",
    [
        single(name=b"\xff" * 1_000_000),
        single(name="x" * 1_000_000),
        single(length=10**4000),
        single(piece_length=10**4000),
        folder(["x" * 200] * 64, length=-1),
        folder(["x" * 200] * 64, ["x" * 200] * 64),
        folder(["x" * 200] * 30, ["x" * 200] * 31),
    ],
    ids=lambda info: f"{len(info)}",
)
def test_a_megabyte_of_name_makes_a_short_refusal(info: dict[str, Any]) -> None:
    assert len(refused(info)) < 1500


@pytest.mark.parametrize(
    "name", ["a\u202etxt.exe", "a\u2066b", "\u200fa", "a\u061cb", "a\nb", "a\x7fb", "a\x85b", "a\u2028b"]
)
def test_a_name_that_would_be_shown_as_another_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(MetainfoError, match="holds a character that is not shown: rename") as caught:
        parse(folder([name.encode()]))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "name", ["\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u0645\u06cc\u200c\u062e", "שלום"]
)
def test_joiners_and_right_to_left_letters_are_part_of_names(name: str) -> None:
    assert parse(folder([name.encode()])).files[0].path == ("s", name)


# --- attributes (BEP 47), private torrents (BEP 27), other versions (BEP 52)

PADDED = [
    {"length": 10, "path": ["a"], "attr": "x"},
    {"length": 16374, "path": [".pad", "16374"], "attr": "p"},
    {"length": 7, "path": ["b"], "attr": "h"},
    {"length": 20, "path": [".pad", "16374"], "attr": "p"},
]


def test_padding_lies_in_no_file() -> None:
    found = parse(single(name="s", length=None, files=PADDED, pieces=bytes(40)))
    assert found.files == (
        FileEntry(("s", "a"), 10, 0, executable=True),
        FileEntry(("s", "b"), 7, 16 * KIB),
    )
    assert found.layout.total_size == 16 * KIB + 27


def test_a_single_file_may_be_executable() -> None:
    assert parse(single(attr="x")).files[0].executable


def test_links_are_left_out_and_counted() -> None:
    link = {"path": ["link"], "attr": "l", "symlink path": ["..", "etc"]}
    found = parse(single(name="s", length=None, files=[link, {"length": 5, "path": ["a"]}], pieces=bytes(20)))
    assert [entry.path for entry in found.files] == [("s", "a")]
    assert found.links == 1


def test_a_link_with_bytes_is_refused() -> None:
    link = {"length": 5, "path": ["link"], "attr": "l", "symlink path": ["a"]}
    assert "symbolic link" in refused(single(name="s", length=None, files=[link], pieces=bytes(20)))


def test_nothing_but_padding_is_nothing_to_fetch() -> None:
    only = [{"length": 5, "path": [".pad", "5"], "attr": "p"}]
    assert "nothing to fetch" in refused(single(name="s", length=None, files=only, pieces=bytes(20)))


def test_private_is_said_by_one_and_nothing_else() -> None:
    assert parse(single(private=1)).private
    assert not parse(single(private=0)).private
    assert not parse(single(private=b"1")).private


def test_a_hybrid_is_read_through_its_first_version_and_a_second_alone_refused() -> None:
    tree = {"f.bin": {"": {"length": 40 * KIB, "pieces root": bytes(32)}}}
    hybrid = single(meta_version=2, file_tree=tree)
    assert parse(hybrid).files == parse(single()).files
    said = refused(single(pieces=None, length=None, meta_version=2, file_tree=tree))
    assert "version 2 alone" in said


def test_what_is_built_says_what_is_executable_and_private() -> None:
    made = metainfo.build(
        "s", [(("a",), 5), (("b",), 5)], 16 * KIB, bytes(20), folder=True, executable={1}, private=True
    )
    assert [entry.executable for entry in made.files] == [False, True]
    assert made.private
