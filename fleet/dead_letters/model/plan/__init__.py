"""Which letters go where, frozen before anything moves: pure."""
