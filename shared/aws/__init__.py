"""The calls that a busy worker makes all day, off botocore's long path; whatever goes wrong there goes back onto it."""
