"""A tracker and its origin in one process: the tracker's swarm behind a lock, a clock and HTTP.

It must never know how any of this is shown, nor decide what `tracker` decides.
"""
