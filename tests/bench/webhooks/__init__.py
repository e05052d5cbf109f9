"""What a webhook costs beside a bare POST, how soon it goes out, how many connections that takes, and a fan-out to many endpoints."""
