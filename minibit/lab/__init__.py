"""Whole swarms on this machine, to watch and to measure: real processes, or the same engines in virtual time.

Of a live swarm it shows what the tracker says; of its processes it knows their logs and their exit codes.
It must never decide who sends what to whom: peers and their engines do. A simulation knows its engines, and
tells them only what a shell would.
"""
