"""MiniBit: cooperative file sharing that people can watch, question and re-program.

It is built on floors, and a file imports only from lower ones: README has the floor plan, and
`tests/test_floors.py` enforces it.
"""

__version__ = "0.1.0"
