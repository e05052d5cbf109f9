"""With how many examples a property is tried: a quarter of them in the daily run, also where that is measured, and all elsewhere.

`make test` and `make coverage` name the profile `daily` (`ARGS="--hypothesis-profile whole"` has all); every other run has `whole`.
"""

from hypothesis import HealthCheck, settings

WHOLE, DAILY = 100, 25


def register() -> None:
    """Make both profiles known, and take the whole one where nobody names another; a slow machine is not a finding."""
    whole = settings(max_examples=WHOLE, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("whole", whole)
    settings.register_profile("daily", whole, max_examples=DAILY)
    settings.load_profile("whole")


def examples(whole: int) -> int:
    """So many in a whole run, and their share of it in a daily one."""
    return max(1, whole * settings().max_examples // WHOLE)
