"""Whole swarms on this machine, to watch and to measure.

It must never look into a peer: what it knows of a live swarm, the tracker told it.
"""
