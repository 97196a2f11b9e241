"""MiniBit: cooperative file sharing that people can watch, question and re-program.

The rooms of the house, lowest floor first; a file imports only from lower floors, or from a file
above it in its own floor's list (`tests/test_floors.py` holds the list and enforces it):

* floor 0, values: errors, bencode, bitfield, metainfo, messages, extended, announce, snapshot
* floor 1, decisions: rates, connection, copies, strategies, requests, engine, tracker's core
* floor 2, shells: storage, node, tracker_client, tracker/app: every socket, file, thread and clock
* floor 3, swarm: a scenario, run as real processes
* floor 4, faces: tables, cli
"""

__version__ = "0.1.0"
