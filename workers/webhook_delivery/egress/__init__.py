"""The way out to customers: which addresses may be reached, the connections there, one POST and its answer."""
