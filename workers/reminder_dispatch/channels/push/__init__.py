"""Push notifications, by Expo."""
