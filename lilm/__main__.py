"""`python -m lilm` is `lilm`."""

from lilm.cli import main

main()
