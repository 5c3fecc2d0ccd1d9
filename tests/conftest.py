"""Settings of the whole suite: property tests draw the same examples every time and have no deadline."""

import signal

try:
    from hypothesis import HealthCheck, settings
except ImportError:  # the tests that need a GPU run where it is not installed
    pass
else:
    settings.register_profile(
        "suite", derandomize=True, deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow], database=None
    )
    settings.load_profile("suite")


def pytest_configure() -> None:
    """Let Ctrl-C through to the programs under test, even where the tests run in the background of a script.

    There a shell starts them with SIGINT ignored, and whatever they start inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
