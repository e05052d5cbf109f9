"""How the results of commands are shown."""
