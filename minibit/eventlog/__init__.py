"""Event logs on a disk: written while things happen, read, and put together.

It must never know how a log is shown, or what an event means for a swarm; nor may a log that cannot be
written end what it is a log of.
"""
