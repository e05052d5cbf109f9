"""The reminders table: keys, attributes, calls, and what is done to all of it at once."""
