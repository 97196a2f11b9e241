"""What every test shares: Hypothesis draws the same examples everywhere, and no clock fails a test."""

from hypothesis import settings

settings.register_profile("minibit", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("minibit")
