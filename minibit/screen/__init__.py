"""What people see: tables, lines and bars drawn from the frozen figures of `snapshot`, and where they go.

It must never look into an engine or a tracker.
"""
