"""What a message is: pure, without AWS, HTTP, environment, clock or logger."""
