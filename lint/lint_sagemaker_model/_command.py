"""`lint-sagemaker-model`: cfn-lint with the rules of this package."""

import sys
from pathlib import Path

import cfnlint.runner


def main() -> None:
    """Run cfn-lint with the arguments of the command line, and exit as it does."""
    sys.argv += ["--append-rules", str(Path(__file__).resolve().parent)]
    cfnlint.runner.main()
