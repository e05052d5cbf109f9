"""The emulators and what is built for them, run for real."""
