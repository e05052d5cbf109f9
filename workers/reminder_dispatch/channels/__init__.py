"""How a reminder leaves: Expo push, SES, or a bus event that becomes a webhook."""
