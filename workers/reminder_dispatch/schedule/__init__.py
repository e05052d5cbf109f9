"""When a reminder is due: occurrences, recurrence rules, windows, time zones; pure."""
