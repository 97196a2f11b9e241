"""The share's bytes on a disk: laid out, read, verified, written, checked; in threads where it takes time.

It must never know why a block is wanted, a socket, or an event loop.
"""
