"""Settings of the whole suite: property tests draw the same examples every time and have no deadline."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "suite", derandomize=True, deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow], database=None
)
settings.load_profile("suite")
