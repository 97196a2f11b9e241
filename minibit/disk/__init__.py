"""The share's bytes on a disk: laid out, read, verified, written, checked; in threads where it takes time.

It must never know a neighbour, a socket, or an event loop.
"""
