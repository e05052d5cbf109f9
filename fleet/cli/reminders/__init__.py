"""`fleet reminders`: what a person does to reminders in their table."""
