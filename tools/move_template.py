"""Move templates to another name of the type, and show what changes.

python -m tools.move_template TEMPLATE... --to Acme::SageMaker::Model [--from TYPE] [--write]
"""

import argparse
import sys
from collections.abc import Sequence
from difflib import unified_diff
from pathlib import Path

from tools import type_name
from tools.template_move import AWS_TYPE, CannotMove, Remark, move, types_in


def main(arguments: Sequence[str] | None = None) -> int:
    """Show or write the moved templates: 0 when all were moved, 1 when one was not, 2 for unusable arguments."""
    description = "Move templates to another name of the type. Shows the difference, and writes it with --write."
    parser = argparse.ArgumentParser(prog="python -m tools.move_template", description=description)
    parser.add_argument("templates", metavar="TEMPLATE", nargs="+", type=Path, help="YAML or JSON")
    parser.add_argument("--to", required=True, metavar="TYPE", help="the new name, such as Acme::SageMaker::Model")
    parser.add_argument("--from", dest="old", metavar="TYPE", help=f"the old name (default: {AWS_TYPE})")
    parser.add_argument("--write", action="store_true", help="change the files")
    given = parser.parse_args(arguments)
    try:
        for name in filter(None, (given.to, given.old)):
            type_name.check(name, own=AWS_TYPE)
    except type_name.UnusableTypeName as error:
        parser.error(str(error))
    if given.to == (given.old or AWS_TYPE):
        parser.error(f"the templates would stay as they are: give another --to than {given.to}, or --from")
    outcomes = [_move_file(path, given.old or AWS_TYPE, given.to, write=given.write) for path in given.templates]
    if given.write and any(outcomes):
        print("A stack that has these models already moves as deploy/migration.md says.")
    return 1 if None in outcomes else 0


def _move_file(path: Path, old: str, new: str, *, write: bool) -> bool | None:
    """Move one file, and say what was done or why not: whether it changes, None when it cannot be moved."""
    try:
        # Bytes, because line ends stay as they are.
        text = path.read_bytes().decode()
        moved = move(text, old, new)
    except OSError as error:
        _failed(f"{path}: {error.strerror}")
        return None
    except UnicodeDecodeError:
        _failed(f"{path}: this is not a text in UTF-8")
        return None
    except CannotMove as refused:
        _failed(*(_line(path, remark) for remark in refused.remarks), f"{path}: nothing was changed")
        return None
    if moved.text == text:
        others = ", ".join(sorted(types_in(text) - {old}))
        print(f"{path}: no resource is of the type {old}{f', but of {others}: give it by --from' if others else ''}")
        return False
    sys.stdout.writelines(unified_diff(_lines(text), _lines(moved.text), str(path), str(path)))
    for remark in moved.remarks:
        print(_line(path, remark), file=sys.stderr)
    if write:
        path.write_bytes(moved.text.encode())
    print(f"{path}: {'written' if write else 'nothing is written yet: add --write'}")
    return True


def _lines(text: str) -> list[str]:
    return [line.rstrip("\r\n") + "\n" for line in text.splitlines(keepends=True)]


def _line(path: Path, remark: Remark) -> str:
    return f"{path}:{remark.line}:{remark.column}: {remark.text}"


def _failed(*lines: str) -> None:
    print("\n".join(lines), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
