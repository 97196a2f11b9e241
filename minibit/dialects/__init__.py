"""What peers and trackers say to each other: a module per dialect, requests and replies, both directions.

It must never know who is active, what time it is, or which library carries the bytes.
"""
