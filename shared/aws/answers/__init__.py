"""What a successful answer must have, so that a page, a cut body or another service's is not taken for one."""
