"""One contract for both clients, over answers of every odd kind."""
