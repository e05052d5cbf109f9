"""The fleet's consumers, one package per concern, and the command line that runs them."""
