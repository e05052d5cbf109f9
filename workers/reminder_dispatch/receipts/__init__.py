"""What became of accepted push notifications: asked for in hundreds, from 15 minutes to 24 hours after they were sent."""
