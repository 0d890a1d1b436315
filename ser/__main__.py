"""`python -m ser` is `ser`."""

import sys

from ser.cli import main

if __name__ == "__main__":  # ranks of a distributed run import this module by name
    sys.exit(main())
