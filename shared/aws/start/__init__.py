"""Calls before botocore is loaded: where the environment is the plain one, and until something unusual comes."""
