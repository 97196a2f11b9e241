"""What stands at the end of each command's help: lines to copy, as they would be typed."""

from typing import Final


def _lines(text: str) -> str:
    """An epilogue that is printed line by line as it stands here, not refilled (click's `\\b`)."""
    return "\n\n".join(f"\b\n{paragraph.strip()}" for paragraph in text.split("\n\n"))


ALL: Final = _lines("""
Start with:
  minibit swarm --peers 5

Each command has examples: minibit COMMAND --help
""")

TRACKER: Final = _lines("""
Examples:
  minibit tracker --share ~/film.mkv
  minibit tracker --share ~/film.mkv --host 0.0.0.0     # others can join
  minibit tracker --share photos --upload-limit 2M --grant 0-0
""")

PEER: Final = _lines("""
Examples:
  minibit peer ana 5001
  minibit peer ana 0 --tracker http://192.0.2.7:5000 --dir downloads
  minibit peer ana 0 --leave-when-done --timeout 30     # for scripts
  minibit peer ana 5001 --picking mine:MyPicking
  minibit peer ana 6881 --torrent film.torrent          # any tracker's swarm
  minibit peer ana 6881 --magnet 'magnet:?xt=urn:btih:…' --dht public
""")

STATUS: Final = _lines("""
Examples:
  minibit status
  minibit status --tracker http://192.0.2.7:5000 --watch
  minibit status --json | python -m json.tool
""")

SWARM: Final = _lines("""
Examples:
  minibit swarm --peers 5
  minibit swarm --peers 8 --share ~/film.mkv --dir copies
  minibit swarm --choking unchoke-all --seed 1 --json
  minibit swarm --scenario classroom
  minibit swarm --scenario                              # lists them
  minibit swarm --peers 50 --simulate --seed 1 --log swarm.jsonl
""")

REPLAY: Final = _lines("""
Examples:
  minibit replay swarm.jsonl --speed 10x
  minibit replay swarm.jsonl --at 12 --json
""")

STRATEGY: Final = _lines("""
Examples:
  minibit strategy new mine
  minibit strategy check mine.py:Mine
""")

STRATEGY_CHECK: Final = _lines("""
Examples:
  minibit strategy check mine.py:Mine
  minibit strategy check tit-for-tat --json
""")

STRATEGY_NEW: Final = _lines("""
Examples:
  minibit strategy new mine
  minibit strategy new generous --choking
""")

WHY: Final = _lines("""
Examples:
  minibit why swarm.jsonl                       # who is slow, and why
  minibit why swarm.jsonl --peer ana --at 12
  minibit why swarm.jsonl --peer ana --block 17
  minibit why swarm.jsonl --choked caio --at 20
  minibit why --peer ana --tracker http://127.0.0.1:5000
""")

COMPARE: Final = _lines("""
Examples:
  minibit compare --picking rarest-first,random,sequential
  minibit compare --choking tit-for-tat,unchoke-all --scenario flash-crowd
  minibit compare --picking rarest-first,mine.py:MyPicking --plot mine.svg
  minibit compare --choking tit-for-tat,reciprocity --json --csv runs.csv
""")

EXPERIMENT: Final = _lines("""
Examples:
  minibit experiment                            # lists them
  minibit experiment bounds
  minibit experiment missing-piece --runs 5 --plot club.svg
  minibit experiment picking --full --json
""")

CHAOS: Final = _lines("""
Examples:
  minibit chaos --seeds 1000
  minibit chaos --first 1001 --seeds 1000 --mode safety
  minibit chaos --seed 17 --mode liveness --log 17.jsonl
""")

TORRENT: Final = _lines("""
Examples:
  minibit torrent create photos --tracker http://192.0.2.7:5000/announce
  minibit torrent show photos.torrent
""")

CREATE: Final = _lines("""
Examples:
  minibit torrent create film.mkv -o film.torrent --comment "my film"
  minibit torrent create photos --private --tracker udp://192.0.2.7:6969
""")

SHOW: Final = _lines("""
Examples:
  minibit torrent show photos.torrent
  minibit torrent show photos.torrent --json | python -m json.tool
""")
