"""Finds due reminders and sends each once: Expo push, e-mail, or an event on the bus."""
