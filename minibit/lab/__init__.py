"""Whole swarms on this machine, to watch and to measure.

Of a live swarm it shows what the tracker says; of its processes it knows their logs and their exit codes.
It must never decide who sends what to whom: peers and their engines do.
"""
