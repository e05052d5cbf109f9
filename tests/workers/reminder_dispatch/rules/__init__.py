"""Recurrence rules on an even clock: examples, two oracles, and what a rule costs."""
