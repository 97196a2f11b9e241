"""What peers say to each other: messages, the order in which they may come, extensions (BEP 3, 6, 10).

Bytes in, legal messages out, and the reverse. It must never know a socket, a clock, or what a message is
good for.
"""
