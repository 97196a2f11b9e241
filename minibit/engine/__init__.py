"""One peer, sans I/O: what happened goes in, the effects that a shell is to perform come out.

The same code runs on sockets and in virtual time. It must never know a socket, a file, a thread, or a
clock and chance of its own: `now` and `rng` are arguments.
"""
