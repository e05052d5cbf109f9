"""Upload notification: an object under session-uploads/ changed, so its session moves and the waiting browser is notified."""
