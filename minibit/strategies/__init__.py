"""Which block next, whom to upload to: pure functions of `(view, now, rng)` that answer with their reasons.

They see the small read-only view of `view.py`. They must never know the engine, keep state, or look at a
clock.
"""
