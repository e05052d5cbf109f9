"""`python -m fleet.cli`: the command line where the `fleet` script is not on the PATH."""

from fleet.cli import main

main()
