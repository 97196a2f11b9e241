"""One engine on real connections: the loop that feeds it what happened and performs its effects.

It decides nothing. It must never know the tracker, nor what a user asked for.
"""
