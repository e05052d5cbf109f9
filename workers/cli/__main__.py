"""`python -m workers.cli`: the command line where the `fleet` script is not on the PATH."""

from workers.cli import main

main()
