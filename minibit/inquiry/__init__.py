"""Questions to a swarm, answered from its events: why this block, why choked, why slow, where from.

It must never know where events come from, how an answer is worded, or decide anything for a peer.
"""
