"""What people run: the `fleet` command, dead letters by hand, the doctor, and a development fleet."""
