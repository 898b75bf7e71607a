"""`python -m lumde`, for shells where the program `lumde` is not on the path."""

import sys

from lumde.cli import main

if __name__ == "__main__":
    sys.exit(main())
