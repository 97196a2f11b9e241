"""One share's swarm as its tracker knows it: who is active, who was dealt and who holds what; sans I/O.

It must never know how requests travel, a lock, a thread, or a clock and chance of its own: `now` and `rng`
are arguments.
"""
