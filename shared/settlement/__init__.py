"""How messages leave a door's hands: leases kept, messages given back or hidden, deletes carried through."""
