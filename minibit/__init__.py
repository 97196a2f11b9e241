"""MiniBit: cooperative file sharing that people can watch, question and re-program.

It is built on floors, and a file imports only from lower ones: each package says what it is and what it
must never know, and `tests/test_floors.py` enforces the order.
"""

__version__ = "0.10.0"
