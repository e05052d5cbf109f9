"""The stand-ins, met by the clients that will talk to them and by those that should not."""
