"""`python -m lumde.cli`, the same program as `lumde`."""

import sys

from lumde.cli import main

if __name__ == "__main__":
    sys.exit(main())
