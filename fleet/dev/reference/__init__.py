"""docs/reference.md, written from the code: variables, AWS actions, log events and metrics, with what an operator does about each."""
