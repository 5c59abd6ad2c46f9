"""The command-line arguments of each command, and the entry point that runs a command."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from rich.markup import escape

from cfnbox.cli import commands, output, serving
from cfnbox.core.errors import LocalFailure
from cfnbox.core.extras import require_extra
from cfnbox.core.unexpected import show_log
from cfnbox.handlers.debugging import DEFAULT_PORT as DEBUG_PORT
from cfnbox.handlers.events import ACTIONS
from cfnbox.stack_client import DEFAULT_PORT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from cfnbox.cli.shutdown import Ending

Argument = tuple[tuple[str, ...], dict[str, object]]


def _argument(*names: str, **options: object) -> Argument:
    return names, options


def _port(given: str) -> int:
    if given.isascii() and given.isdecimal() and int(given) <= _LAST_PORT:
        return int(given)
    raise argparse.ArgumentTypeError(
        f"{given} is no port: give a number from 1 to {_LAST_PORT}, or 0 for any free one"
    )


def _seconds(given: str) -> int:
    if given.isascii() and given.isdecimal() and 1 <= int(given) <= _MOST_SECONDS:
        return int(given)
    raise argparse.ArgumentTypeError(f"{given} is no time limit: give 1 to {_MOST_SECONDS} seconds")


_LAST_PORT = 65535
# Lambda's longest time limit of a function.
_MOST_SECONDS = 900
_FILE, _FOLDER = {"complete": "FILE"}, {"complete": "DIRECTORY"}
_PORT = _argument("--port", type=_port, default=DEFAULT_PORT, help="0 takes any free port (default: %(default)s)")
_ENDPOINT = _argument("--endpoint", help="the running cloud (default: AWS_ENDPOINT_URL, else the default port)")
_HOST = _argument(
    "--host",
    default="127.0.0.1",
    metavar="ADDRESS",
    help="an address for containers to reach it at, as that of Docker's bridge (default: this machine alone)",
)
_REGION = _argument("--region", help="the region in it (default: AWS_REGION or AWS_DEFAULT_REGION, else us-east-1)")
_CLOUD = (_ENDPOINT, _REGION)
_TEMPLATE = _argument("template", help="a template file, or - for standard input", **_FILE)
_STACK = _argument("--stack-name", required=True)
_PARAMETER = _argument(
    "--parameter",
    action="append",
    metavar="K=V",
    help="a template parameter; repeatable; STACK:K=V is for that stack alone",
)
_TAG = _argument("--tag", action="append", metavar="K=V", help="a stack tag; repeatable")
_DEPLOYMENT = (
    _TEMPLATE,
    _argument("--stack-name", help="default: the template's file name"),
    _PARAMETER,
    _argument("--parameters", metavar="FILE", help="parameters, as the AWS CLI or the CDK takes them", **_FILE),
    _TAG,
    _argument("--tags", metavar="FILE", help="stack tags, as the AWS CLI or cdk.json has them", **_FILE),
    *_CLOUD,
)
_FOLDERS = _argument(
    "folders",
    nargs="*",
    metavar="DIR",
    help="folders of types (default: this one if it is one; AWS's types are there always)",
    **_FOLDER,
)
_RECREATE = _argument("--recreate", action="store_true", help="delete the stack first if its first deployment failed")
_OWN_CLOUD = _argument("--own-cloud", action="store_true", help="a cloud that ends with the command")
_TYPE = (
    _argument(
        "--project",
        action="append",
        metavar="DIR",
        help="the folder of a type, as `cfn init` makes it; repeatable",
        **_FOLDER,
    ),
    _argument("--strict", action="store_true", help="refuse types that can only be simulated here"),
    _argument("--schema", metavar="FILE", help="a schema instead of that of the type in this folder", **_FILE),
    _argument(
        "--type-name",
        action="append",
        metavar="NAME",
        help="the type's name instead of the schema's; repeatable, for one beside the other",
    ),
    _argument(
        "--code",
        action="append",
        metavar="DIR",
        help="PYTHONPATH of the handlers instead of src; repeatable",
        **_FOLDER,
    ),
    _argument("--handler", help="the Lambda entry point instead of that of the folder"),
    _argument("--env", action="append", metavar="K=V", help="an environment variable of the handlers; repeatable"),
    _argument(
        "--timeout",
        type=_seconds,
        default=60,
        metavar="SECONDS",
        help="seconds for one invocation (default: %(default)s)",
    ),
)


_SHOW_PROPERTIES = _argument("--show-properties", action="store_true",
                             help="with what handlers were given and answered, property values included")  # fmt: skip
_DEBUG = (
    _argument("--debug", action="store_true", help="have handlers wait for a debugger, and say how to attach one"),
    _argument("--debug-port", type=_port, default=DEBUG_PORT, metavar="PORT", help="default: %(default)s"),
)
_UP = (
    _argument("--deploy", action="append", metavar="TEMPLATE", help="a stack to begin with; repeatable",
              **_FILE),
    _argument("--state", metavar="FILE",
              help="keep there what deploys the stacks, and deploy them again at the next start", **_FILE),
    _argument("--detach", action="store_true", help="run in the background: return when the cloud is ready"),
    _argument("--no-types", action="store_true", help="serve AWS's types alone, in the folder of a type as well"),
    _argument("--log", action="store_true", help="show each invocation of a handler as it ends, and what it logged"),
    _SHOW_PROPERTIES,
    _argument("--console", action="store_true", help="show stacks, handlers and SageMaker on a page in the browser"),
    _argument("--allow-origin", action="append", metavar="ORIGIN",
              help="let web pages of this origin, as http://localhost:3000, do all that the cloud can; repeatable"),
    _argument("--allow-host", action="append", metavar="NAME",
              help="take requests for this host name, as host.docker.internal; repeatable"),
    _HOST,
    _argument("--serve", action="append", metavar="IMAGE=URL",
              help="let this server, or a command as IMAGE='!python serve.py', stand behind endpoints whose image is "
                   "like IMAGE, a pattern; repeatable"),
    *_DEBUG,
)  # fmt: skip


_SHELLS = ("bash", "zsh", "fish", "tcsh")
_DESCRIPTION = "A CloudFormation on this machine, with the resource types' own handlers behind it."
_EXAMPLES = """examples:
  cfnbox up                                  start the cloud, and print what to export
  cfnbox deploy TEMPLATE --parameter K=V     create or update a stack, in that cloud or in one of its own
  cfnbox change-set TEMPLATE                 show what a deployment would change
  cfnbox up DIR                              the same with a registry type of your own, as `cfn init` makes it
  source <(cfnbox completion bash)           complete commands and options in this shell

exit status: 0 done; 1 refused, failed, or findings of `validate`; 2 arguments that make no sense;
128 and the number of the signal that ended the command (130 after Ctrl-C), but 0 for `up` and `sagemaker`
"""


@dataclass(frozen=True)
class _Command:
    run: Callable[[argparse.Namespace], int]
    help: str
    arguments: tuple[Argument, ...]


def _completion(arguments: argparse.Namespace) -> int:
    require_extra("completion", "shtab", "cfnbox completion")
    import shtab

    print(shtab.complete(parser(shtab), arguments.shell))
    return 0


_COMMANDS = {
    "up": _Command(serving.up, "start the cloud and serve until Ctrl-C", (_FOLDERS, _PORT, *_UP, *_TYPE)),
    "deploy": _Command(commands.deploy, "create or update a stack; without a running cloud, in one of its own",
                       (*_DEPLOYMENT, _RECREATE, _OWN_CLOUD, *_TYPE)),
    "change-set": _Command(commands.change_set, "show what a deployment would change",
                           (*_DEPLOYMENT, _OWN_CLOUD, *_TYPE)),
    "status": _Command(serving.status, "show a running cloud and its stacks", _CLOUD),
    "env": _Command(serving.env, "print what to export for a running cloud", (_ENDPOINT,)),
    "stop": _Command(serving.stop, "end a running cloud", (_ENDPOINT,)),
    "validate": _Command(commands.validate, "say what is wrong with templates; no cloud is needed", (
        _argument("templates", nargs="+", metavar="TEMPLATE", help="template files", **_FILE),
        _REGION, *_TYPE,
    )),
    "outputs": _Command(commands.outputs, "print the outputs of a stack, or one of them", (
        _STACK, _argument("key", nargs="?", metavar="KEY", help="one output: its value alone"), *_CLOUD,
    )),
    "describe": _Command(commands.describe, "show a stack: status, parameters, tags, outputs, resources",
                         (_STACK, *_CLOUD)),
    "drift": _Command(commands.drift, "detect drift of a stack", (_STACK, *_CLOUD)),
    "events": _Command(commands.events, "show the events of a stack", (
        _STACK,
        _argument("--handlers", action="store_true", help="with each invocation of a handler, and what it logged"),
        _SHOW_PROPERTIES, *_CLOUD,
    )),
    "delete": _Command(commands.delete, "delete a stack", (_STACK, *_CLOUD)),
    "import": _Command(commands.import_, "adopt existing resources into a stack", (
        *_DEPLOYMENT,
        _argument("--resources-to-import", required=True, metavar="JSON", help="as the AWS CLI takes it, or a file",
                  **_FILE),
    )),
    "list": _Command(commands.list_, "list the stacks", _CLOUD),
    "invoke": _Command(commands.invoke, "send one event to a handler, in the Lambda runtime", (
        _argument("action", choices=ACTIONS, type=str.upper),
        _argument("--model", metavar="FILE", help="the desired resource model, JSON", **_FILE),
        _argument("--previous", metavar="FILE", help="the previous resource model, JSON", **_FILE),
        _argument("--next-token", help="the page of a LIST"),
        _argument("--log", action="store_true", help="show what the handler logged"),
        *_DEBUG, _TAG, *_CLOUD, *_TYPE,
    )),
    "contract": _Command(commands.contract, "run AWS's own contract tests (cfn test) on the handlers of a type", (
        _argument("folder", nargs="?", default=".", metavar="DIR", help="the type's folder (default: this one)",
                  **_FOLDER),
        _argument("--schema", metavar="FILE", help="the type's schema instead of the folder's", **_FILE),
        _argument("--type-name", metavar="NAME", help="the type's name instead of the schema's"),
        _argument("--code", metavar="DIR", help="the directory of the handlers' package instead of DIR/src",
                  **_FOLDER),
        _argument("--inputs", metavar="DIR", help="the directory of inputs_N_*.json instead of DIR/inputs",
                  **_FOLDER),
        _argument("--stack", metavar="TEMPLATE", action="append",
                  help="a stack to deploy first, whose exports the inputs name; repeatable", **_FILE),
        _argument("--type-configuration", metavar="JSON", help="the type configuration, or a file; dynamic "
                  "references are resolved (default: ~/.cfn-cli/typeConfiguration.json)", **_FILE),
        _argument("--select", metavar="EXPRESSION", help="only tests of this name, as pytest's -k takes it"),
        _argument("--log", action="store_true",
                  help="show each invocation of a handler with its log, and not only those of failed tests"),
    )),
    "demo": _Command(commands.demo, "show a stack from deployment to deletion, and one that fails", ()),
    "sagemaker": _Command(commands.sagemaker, "serve the local SageMaker alone",
                          (_argument("--port", type=_port, default=0, help="0 takes any free port"), _HOST)),
    "completion": _Command(_completion, "print what lets a shell complete commands and options",
                           (_argument("shell", choices=_SHELLS, help="the shell"),)),
}  # fmt: skip


# Commands with the option --json.
_SHOWING = frozenset({"change-set", "deploy", "describe", "drift", "env", "events", "import", "list", "outputs",
                      "status", "validate"})  # fmt: skip


def parser(completion: ModuleType | None = None) -> argparse.ArgumentParser:
    """Return the parser of the whole command line. `completion` is shtab, for the completion of files and folders."""
    parser = argparse.ArgumentParser(
        prog="cfnbox",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=18),
    )
    version = f"cfnbox {importlib.metadata.version('cfnbox')}"
    parser.add_argument("--version", action="version", version=version)
    subparsers = parser.add_subparsers(metavar="COMMAND")
    for name, command in _COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.help, description=command.help)
        for names, options in command.arguments:
            kept = {key: value for key, value in options.items() if key != "complete"}
            argument = subparser.add_argument(*names, **kept)  # type: ignore[arg-type]
            if completion and "complete" in options:
                # shtab reads this attribute.
                argument.complete = getattr(completion, str(options["complete"]))  # type: ignore[attr-defined]
        if name in _SHOWING:
            subparser.add_argument("--json", action="store_true", help="print JSON, and remarks on standard error")
        subparser.add_argument("--quiet", action="store_true", help="print results and errors alone")
        subparser.add_argument("--verbose", action="store_true", help="show the tracebacks of internal errors")
        subparser.set_defaults(command=command)
    return parser


def _stay_on_this_machine() -> None:
    """Ignore the user's AWS profiles, valid or not, and bypass proxies for this machine."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        os.environ.pop(name, None)
    os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
    for name in ("NO_PROXY", "no_proxy"):
        names = filter(None, os.environ.get(name, "").split(","))
        os.environ[name] = ",".join(dict.fromkeys([*names, "127.0.0.1", "localhost"]))


def run(given: Sequence[str], ending: Ending) -> int:
    """Run one command. Return 0 for success, 1 for a failure, 2 for invalid arguments."""
    arguments = parser().parse_args(given)
    if "command" not in arguments:
        parser().print_help()
        return 0
    if arguments.command.run in (serving.up, commands.sagemaker):
        # Ending on a signal is the normal end of these commands.
        ending.status = 0
        ending.first = serving.take_log()
    output.set_modes(json_only=getattr(arguments, "json", False), quiet=arguments.quiet)
    _stay_on_this_machine()
    if arguments.verbose:
        show_log()
    try:
        return int(arguments.command.run(arguments))
    except BrokenPipeError:
        # The reader closed the pipe.
        return 1
    except ClientError as refused:
        return _failed(refused.response["Error"]["Message"])
    except (BotoCoreError, LocalFailure, OSError, ValueError) as error:
        return _failed(str(error))


def _failed(message: str) -> int:
    output.err.print(f"[red]error:[/] {escape(message)}")
    return 1
