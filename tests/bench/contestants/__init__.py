"""One file for each contestant: `envelope` says how its messages look, `consume` handles them as its users would."""
