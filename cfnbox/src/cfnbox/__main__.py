"""`python -m cfnbox`: the command line."""

import sys

from cfnbox.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
