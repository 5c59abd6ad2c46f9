"""`laptop` or `python -m laptop`: the command line; without its environment it says in one line how to make one."""

import sys


def main() -> int:
    """Run one command and return its exit status: 1 when a package that the cloud needs is not installed."""
    try:
        from laptop.arguments import run

        return run(sys.argv[1:])
    except ModuleNotFoundError as missing:
        print(
            f"error: {sys.executable} has no package {missing.name}, which the laptop cloud needs. "
            "Run `make setup` and then `source .venv/bin/activate` in the project's folder.",
            file=sys.stderr,
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
