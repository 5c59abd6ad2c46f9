"""What every test run does, of the type and of the laptop cloud."""

import gc


def pytest_collection_finish() -> None:
    """Spare the garbage collector what lives until the end: modules and tests, a fifth of the suite's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
