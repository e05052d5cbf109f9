"""A plan carried out: letters sent, watched and written down."""
