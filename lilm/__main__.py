"""`python -m lilm` is `lilm`."""

from lilm.cli.entry import main

main()
