"""Where this user's programs keep what can be made again (XDG Base Directory Specification)."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """MiniBit's own folder there, which need not exist yet.

    Raises:
        RuntimeError: nobody knows this user's home.
    """
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (named if named.is_absolute() else Path.home() / ".cache") / "minibit"
