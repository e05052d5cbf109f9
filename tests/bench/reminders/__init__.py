"""The figures of reminders: a flood at Expo's rate, processes that are killed, what a tick costs, and how late a push is."""
