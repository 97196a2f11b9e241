"""One peer as a user runs it: its tracker, what is on its disk, trading, and the end of it all.

It must never know how any of this is shown.
"""
