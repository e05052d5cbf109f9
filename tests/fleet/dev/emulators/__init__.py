"""The emulators, run for real, and who may speak to them."""
