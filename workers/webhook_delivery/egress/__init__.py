"""The way out to customers: whose turn it is, which addresses may be reached, the connections there, one POST, its answer."""
