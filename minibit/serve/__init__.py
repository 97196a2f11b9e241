"""A tracker and its origin in one process: the tracker's swarm behind a lock, a clock and HTTP.

It serves whoever calls, and must never decide what `tracker` decides.
"""
