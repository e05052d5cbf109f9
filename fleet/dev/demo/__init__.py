"""One upload's whole story, told with real files on a running fleet, and every effect of it waited for."""
