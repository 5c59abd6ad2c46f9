"""How fast the type is, measured against a floor in one run: `make bench`."""

import sys
from pathlib import Path

# The handlers in process are those of the source tree.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
