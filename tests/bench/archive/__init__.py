"""What it costs to compact the audit archive, and how soon a row is found in it."""
