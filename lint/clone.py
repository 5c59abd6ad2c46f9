"""In a clone, where nothing is installed: lets Python find the rules and the type's own modules.

cfn-lint loads the files of a folder before those of its subfolders, and every file by itself, so this one is loaded
before the rules that import from each other.
"""

import sys
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent

for folder in (_FOLDER, _FOLDER.parent / "src"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
