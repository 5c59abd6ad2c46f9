"""Let Python find the rules and the modules of the type in a clone, where nothing is installed.

cfn-lint loads each file by itself, and the files of a folder before those of its subfolders. So it loads this file
before the modules that import each other.
"""

import sys
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent

for folder in (_FOLDER, _FOLDER.parent / "src"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
