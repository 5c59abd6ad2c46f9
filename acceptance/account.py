"""The account that the story is told in: clients, names that cannot collide, and the removal of what bears them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError, WaiterError

from cfnbox.aws import clients
from cfnbox.core.place import DEFAULT_REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from acceptance.interruption import Interruption

Json = dict[str, Any]
_TAKEN_BY_ANOTHER = ("404", "NoSuchBucket")


class StoryFailed(Exception):
    """Something came out otherwise than it should; the message says what."""


@dataclass(frozen=True)
class Account:
    """An account in a region. `run` is in every name and in no other run; `url` is that of a local cloud.

    `interruption` ends the run before a call of its clients, once a signal has come.
    """

    run: str
    region: str
    number: str
    interruption: Interruption
    url: str | None = None

    @classmethod
    def of_environment(cls, run: str, region: str, interruption: Interruption) -> Account:
        """The real account that the environment's credentials are of. Raises what boto3 raises without any."""
        number = boto3.client("sts", region_name=region).get_caller_identity()["Account"]
        return cls(run, region, number, interruption)

    @classmethod
    def of_cloud(cls, run: str, url: str, interruption: Interruption) -> Account:
        """The account of a local cloud."""
        number = clients.client("sts", url).get_caller_identity()["Account"]
        return cls(run, DEFAULT_REGION, number, interruption, url)

    def client(self, service: str) -> Any:
        """A client of a service: of the cloud, or of AWS."""
        make: Any = boto3.client
        made = clients.client(service, self.url) if self.url else make(service, region_name=self.region)
        made.meta.events.register("before-call", self.interruption)
        return made

    def name(self, what: str) -> str:
        """A name of this run's."""
        return f"acceptance-{self.run}-{what}"

    @property
    def bucket(self) -> str:
        """The bucket for package and artifacts."""
        return self.name(self.number)

    @property
    def type_name(self) -> str:
        """The type under a namespace of this run's own."""
        return f"Acceptance{self.run}::SageMaker::Model"

    def wait(self, done: Callable[[], bool], what: str, seconds: int = 1800) -> None:
        """Ask until it is so. Raises StoryFailed when it never is."""
        until = time.monotonic() + seconds
        while not done():
            if time.monotonic() > until:
                raise StoryFailed(f"{what} has not come to an end in {seconds // 60} minutes.")
            time.sleep(0.1 if self.url else 5)

    def rest(self, stack: str) -> Json:
        """The stack, by name or id, once nothing is in progress any more."""
        described: Json = {}

        def rests() -> bool:
            described.update(self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0])
            return not described["StackStatus"].endswith("_IN_PROGRESS")

        self.wait(rests, f"Stack {stack}")
        return described


def planned(account: Account) -> list[tuple[str, str]]:
    """Everything that a run makes, and what it costs (AWS's price lists, 2025; no free tier is counted on)."""
    return [
        (f"bucket {account.bucket}", "the package of 2 MB and an empty archive for some minutes: below $0.01"),
        (f"stack {account.name('type')}", "stacks cost nothing"),
        (f"  type {account.type_name}", "$0.0009 for each of about 60 operations of its handlers: $0.06"),
        ("  2 IAM roles", "cost nothing"),
        ("  1 log group", "some kB of log lines, which go with it: below $0.01"),
        (f"stacks {account.name('...')}", "stacks cost nothing"),
        ("  1 IAM role", "costs nothing"),
        (f"models {account.name('...')}", "models cost nothing; no endpoint is made, and nothing runs"),
    ]


def remove(account: Account) -> list[str]:
    """Remove everything that bears the names of a run, and say what could not be. Can be repeated."""
    problems = []
    for act in (_remove_stacks, _remove_models, _remove_type, _remove_bucket):
        try:
            act(account)
        except (ClientError, WaiterError, StoryFailed) as problem:
            problems.append(str(problem))
    return problems


def _remove_stacks(account: Account) -> None:
    cloudformation = account.client("cloudformation")
    pages = cloudformation.get_paginator("describe_stacks").paginate()
    stacks = [stack for page in pages for stack in page["Stacks"] if stack["StackName"].startswith(account.name(""))]
    # Models go before the type that deletes them; the newest go first, because they may need what is older.
    for stack in sorted(stacks, key=lambda one: one["CreationTime"], reverse=True):
        if stack["StackName"] != account.name("type"):
            _delete(account, stack["StackId"])


def _remove_type(account: Account) -> None:
    try:
        stack = account.client("cloudformation").describe_stacks(StackName=account.name("type"))["Stacks"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return
        raise
    _delete(account, stack["StackId"])


def _delete(account: Account, stack: str) -> None:
    account.rest(stack)
    account.client("cloudformation").delete_stack(StackName=stack)
    status = account.rest(stack)["StackStatus"]
    if status != "DELETE_COMPLETE":
        raise StoryFailed(f"Stack {stack} could not be deleted: {status}.")


def _remove_models(account: Account) -> None:
    sagemaker = account.client("sagemaker")
    pages = sagemaker.get_paginator("list_models").paginate(NameContains=account.name(""))
    for name in [one["ModelName"] for page in pages for one in page["Models"]]:
        sagemaker.delete_model(ModelName=name)


def _remove_bucket(account: Account) -> None:
    s3 = account.client("s3")
    for key in list(_keys(s3, account.bucket)):
        s3.delete_object(Bucket=account.bucket, Key=key)
    try:
        s3.delete_bucket(Bucket=account.bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _TAKEN_BY_ANOTHER:
            raise


def _keys(s3: Any, bucket: str) -> Iterator[str]:
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            yield from (one["Key"] for one in page.get("Contents", []))
    except ClientError as error:
        if error.response["Error"]["Code"] not in _TAKEN_BY_ANOTHER:
            raise
