"""The addresses of files at web seeds: folders, single files, and characters that no address can hold."""

import pytest

from minibit.torrent import metainfo
from minibit.torrent.metainfo import Metainfo
from minibit.torrent.web_paths import address_of


def share(name: str, *paths: tuple[str, ...]) -> Metainfo:
    files = [(path, 1) for path in paths] or [((), 1)]
    return metainfo.build(name, files, 16384, bytes(20), folder=bool(paths))


@pytest.mark.parametrize(
    ("seed", "made", "address"),
    [
        ("http://m.example/pub/", share("film.mkv"), "http://m.example/pub/film.mkv"),
        ("http://m.example/f.php?id=7", share("film.mkv"), "http://m.example/f.php?id=7"),
        ("http://m.example/pub/", share("michael", ("a", "b.md")), "http://m.example/pub/michael/a/b.md"),
        ("http://m.example/pub", share("michael", ("b.md",)), "http://m.example/pub/michael/b.md"),
        ("http://m.example/", share("m", ("m",)), "http://m.example/m/m"),
        ("http://m.example/", share("50% é?#&+ ;"), "http://m.example/50%25%20%C3%A9%3F%23%26%2B%20%3B"),
        ("http://m.example/", share("%2e%2e"), "http://m.example/%252e%252e"),
    ],
)
def test_addresses(seed: str, made: Metainfo, address: str) -> None:
    assert address_of(seed, made, made.files[0]) == address
