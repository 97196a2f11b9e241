"""What happens in a swarm, as values and as lines of a log; one schema for live, simulated and replayed runs.

It must never know where a log lies, what time it is, or what anybody does with an event.
"""
