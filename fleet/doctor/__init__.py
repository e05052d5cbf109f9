"""Looks at everything the fleet needs, changes nothing, and says what to do about each fault."""
