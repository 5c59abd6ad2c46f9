"""The story: what CloudFormation does with a model from creation to deletion, and what SageMaker itself says."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acceptance.account import Json, StoryFailed
from cfnbox import stack_client
from tools import package
from tools.template_move import AWS_TYPE, move

if TYPE_CHECKING:
    from collections.abc import Callable

    from acceptance.account import Account
    from acceptance.recording import Recording

ROOT = Path(__file__).resolve().parent.parent
_ARTIFACTS = "acceptance/model.tar.gz"


def built_package(type_name: str) -> bytes:
    """The registrable package of the type under that name. Raises BuildFailed."""
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="acceptance-", dir=build) as folder:
        return package.build(type_name, Path(folder) / "package.zip").path.read_bytes()


class Story:
    """One telling of a package in one account: answers go into the recording.

    A turn that it must not take raises StoryFailed.
    """

    def __init__(self, account: Account, recording: Recording, function_package: bytes) -> None:
        self._account, self._recording, self._package = account, recording, function_package
        self._cloudformation, self._sagemaker = account.client("cloudformation"), account.client("sagemaker")
        text = (ROOT / "examples" / "xgboost.yaml").read_text(encoding="utf-8")
        self._template = move(text, AWS_TYPE, account.type_name).text
        self._arn = self._role = ""
        self._seen: set[str] = set()
        self._operations = 0

    def tell(self, say: Callable[[str], None]) -> None:
        """All of it, each chapter announced."""
        for chapter in (
            self.type_is_registered, self.model_is_created, self.model_is_read, self.tags_change_in_place,
            self.image_replaces_the_model, self.drift_is_found, self.model_is_imported, self.mistakes_are_refused,
            self.sagemaker_answers, self.stacks_are_deleted,
        ):  # fmt: skip
            say(chapter.__name__.replace("_", " "))
            chapter()

    def type_is_registered(self) -> None:
        """Package, bucket, roles and type, as deploy/README.md has it."""
        account, s3 = self._account, self._account.client("s3")
        elsewhere: Json = {"CreateBucketConfiguration": {"LocationConstraint": account.region}}
        s3.create_bucket(Bucket=account.bucket, **({} if account.region == "us-east-1" else elsewhere))
        s3.put_object(Bucket=account.bucket, Key="package.zip", Body=self._package)
        s3.put_object(Bucket=account.bucket, Key=_ARTIFACTS, Body=_empty_archive())
        registration = (ROOT / "deploy" / "registration.yaml").read_text(encoding="utf-8")
        self._deploy("type", registration, TypeName=account.type_name, PackageBucket=account.bucket,
                     PackageKey="package.zip", ModelRoleNames=account.name("*"), LogRetentionDays="1")  # fmt: skip
        kind = self._cloudformation.describe_type(Type="RESOURCE", TypeName=account.type_name)
        _expect(kind["IsDefaultVersion"], f"{account.type_name} is registered")

    def model_is_created(self) -> None:
        """A model together with the role that it runs with."""
        outputs = self._deploy("model", self._template, ArtifactBucket=self._account.bucket, ArtifactKey=_ARTIFACTS)
        self._arn, self._role = outputs["ModelArn"], outputs["ExecutionRoleArn"]
        _expect(self._arn.endswith(f"/{outputs['ModelName']}"), "Ref is the model's ARN, and GetAtt Name its name")
        self._look("after the create")

    def model_is_read(self) -> None:
        """Cloud Control's read and list, which need nothing but the type."""
        kind = self._account.type_name
        read = self._ask(
            "Cloud Control reads it", "cloudcontrol", "get_resource", TypeName=kind, Identifier=self._arn
        )
        _expect(self._arn in read["ResourceDescription"]["Properties"], "Cloud Control reads the model")
        pages = self._account.client("cloudcontrol").get_paginator("list_resources").paginate(TypeName=kind)
        listed = [one for page in pages for one in page["ResourceDescriptions"] if one["Identifier"] == self._arn]
        self._recording.keep("Cloud Control lists it", listed)
        _expect(len(listed) == 1, "Cloud Control lists the model once")

    def tags_change_in_place(self) -> None:
        """A tag of the template, and one of the stack."""
        outputs = self._deploy("model", self._template, tags={"team": "acceptance"}, Stage="production")
        _expect(outputs["ModelArn"] == self._arn, "tags change in place")
        _expect({"Stage": "production", "team": "acceptance"}.items() <= self._tags().items(), "both tags are there")
        self._look("after the change of tags")

    def image_replaces_the_model(self) -> None:
        """The new model first; then the old one goes."""
        old = self._arn
        self._arn = self._deploy("model", self._template, XGBoostVersion="1.7-1")["ModelArn"]
        _expect(self._arn != old, "another image makes another model")
        self._ask("SageMaker on the replaced model", "sagemaker", "describe_model", ModelName=_name(old))
        self._look("after the replacement")

    def drift_is_found(self) -> None:
        """Change a tag outside of CloudFormation, and detect the drift."""
        self._sagemaker.add_tags(ResourceArn=self._arn, Tags=[{"Key": "Stage", "Value": "broken"}])
        stack = self._account.name("model")
        found = {one["LogicalResourceId"]: one for one in stack_client.detect_drift(self._cloudformation, stack)}
        kept = ("PropertyDifferences", "StackResourceDriftStatus")
        self._recording.keep("drift", {name: {key: one.get(key) for key in kept} for name, one in found.items()})
        _expect(found["Model"]["StackResourceDriftStatus"] == "MODIFIED", "the changed tag is found")

    def model_is_imported(self) -> None:
        """A model that was made by the API becomes a stack's."""
        name = self._account.name("adopted")
        container = self._sagemaker.describe_model(ModelName=_name(self._arn))["PrimaryContainer"]
        made = self._sagemaker.create_model(
            ModelName=name, ExecutionRoleArn=self._role, PrimaryContainer={"Image": container["Image"]}
        )
        properties = {"ExecutionRoleArn": self._role, "PrimaryContainer": {"Image": container["Image"]}}
        change_set = stack_client.make_change_set(
            self._cloudformation, self._account.name("import"), self._model(properties, DeletionPolicy="Delete"),
            parameters={}, resources_to_import=[{
                "ResourceType": self._account.type_name, "LogicalResourceId": "Model",
                "ResourceIdentifier": {"ModelArn": made["ModelArn"]},
            }],
        )  # fmt: skip
        _expect(change_set is not None, "there is something to import")
        stack_client.execute(self._cloudformation, self._account.name("import"), change_set or {})
        self._rest("import", "IMPORT_COMPLETE")

    def mistakes_are_refused(self) -> None:
        """What a stack's events say of models that cannot be."""
        image = self._sagemaker.describe_model(ModelName=_name(self._arn))["PrimaryContainer"]["Image"]
        role, container = self._role, {"Image": image}
        mistakes: dict[str, Json] = {
            "no-container": {"ExecutionRoleArn": role},
            "two-kinds": {"ExecutionRoleArn": role, "PrimaryContainer": container, "Containers": [container]},
            "no-image": {"ExecutionRoleArn": role, "PrimaryContainer": {"Image": "not an image"}},
            "name-taken": {"ExecutionRoleArn": role, "PrimaryContainer": container,
                           "ModelName": self._account.name("adopted")},
            "no-artifacts": {"ExecutionRoleArn": role, "PrimaryContainer": {
                **container, "ModelDataUrl": f"s3://{self._account.bucket}/acceptance/absent.tar.gz"}},
        }  # fmt: skip
        for mistake, properties in mistakes.items():
            name = self._account.name(mistake)
            self._cloudformation.create_stack(StackName=name, TemplateBody=self._model(properties))
            # The local SageMaker knows no artifacts: what it accepts is one of the differences.
            self._rest(mistake, "ROLLBACK_COMPLETE", *(["CREATE_COMPLETE"] if mistake == "no-artifacts" else []))
            self._cloudformation.delete_stack(StackName=name)

    def sagemaker_answers(self) -> None:
        """SageMaker's own words: the facts in cfnbox/src/cfnbox/sagemaker/."""
        account, image = self._account, self._sagemaker.describe_model(ModelName=_name(self._arn))["PrimaryContainer"]
        absent = f"{self._arn.rpartition('/')[0]}/{account.name('absent')}"
        model = {"ModelName": account.name("api"), "ExecutionRoleArn": self._role,
                 "PrimaryContainer": {"Image": image["Image"]}}  # fmt: skip
        many = [{"Key": f"key-{number}", "Value": ""} for number in range(51)]
        for question, operation, request in (
            ("a model", "create_model", model),
            ("the same model again", "create_model", model),
            ("a model as it was asked for", "describe_model", {"ModelName": model["ModelName"]}),
            ("an empty container", "create_model", {
                **model, "ModelName": account.name("empty"), "PrimaryContainer": {}}),
            ("a name that cannot be", "create_model", {**model, "ModelName": "-"}),
            ("a role that is not there", "create_model", {
                **model, "ModelName": account.name("role"), "ExecutionRoleArn": f"{self._role}-absent"}),
            ("too many tags", "create_model", {**model, "ModelName": account.name("tags"), "Tags": many}),
            ("describe what is not there", "describe_model", {"ModelName": account.name("absent")}),
            ("delete what is not there", "delete_model", {"ModelName": account.name("absent")}),
            ("tags of what is not there", "list_tags", {"ResourceArn": absent}),
            ("tag what is not there", "add_tags", {"ResourceArn": absent, "Tags": [{"Key": "a", "Value": "b"}]}),
            ("a tag of AWS's", "add_tags", {"ResourceArn": self._arn, "Tags": [{"Key": "aws:a", "Value": "b"}]}),
            ("take away a tag that is not there", "delete_tags", {"ResourceArn": self._arn, "TagKeys": ["absent"]}),
            ("models by name", "list_models", {"NameContains": account.name("api")}),
            ("delete the model", "delete_model", {"ModelName": model["ModelName"]}),
        ):  # fmt: skip
            self._ask(f"SageMaker: {question}", "sagemaker", operation, **request)

    def stacks_are_deleted(self) -> None:
        """Stack and model together."""
        for what in ("import", "model"):
            stack = self._cloudformation.describe_stacks(StackName=self._account.name(what))["Stacks"][0]["StackId"]
            self._cloudformation.delete_stack(StackName=stack)
            self._rest(what, "DELETE_COMPLETE", stack_id=stack)
        self._ask("SageMaker on the deleted model", "sagemaker", "describe_model", ModelName=_name(self._arn))

    def _deploy(self, what: str, template: str, *, tags: Json | None = None, **parameters: str) -> dict[str, str]:
        """Create a stack or update it; its outputs."""
        made = stack_client.make_change_set(
            self._cloudformation, self._account.name(what), template, parameters=parameters, tags=tags
        )
        _expect(made is not None, f"{what} changes")
        stack_client.execute(self._cloudformation, self._account.name(what), made or {})
        stack = self._rest(what, "CREATE_COMPLETE", "UPDATE_COMPLETE")
        return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}

    def _rest(self, what: str, *statuses: str, stack_id: str = "") -> Json:
        """The stack at its rest, with one of these statuses; what has happened to it since is kept."""
        stack = self._account.rest(stack_id or self._account.name(what))
        pages = self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack["StackId"])
        happened: dict[str, list[str]] = {}
        for event in [one for page in pages for one in page["StackEvents"]][::-1]:
            if event["EventId"] not in self._seen:
                self._seen.add(event["EventId"])
                said = " ".join(filter(None, (event["ResourceStatus"], event.get("ResourceStatusReason"))))
                happened.setdefault(event["LogicalResourceId"], []).append(said)
        self._operations += 1
        self._recording.keep(f"{self._operations}. events of the stack {what}", happened)
        _expect(stack["StackStatus"] in statuses, f"the stack {what} is {statuses[0]}, not {stack['StackStatus']}")
        return stack

    def _look(self, when: str) -> None:
        """Keep what SageMaker says of the model."""
        self._ask(f"SageMaker {when}", "sagemaker", "describe_model", ModelName=_name(self._arn))
        self._recording.keep(f"tags {when}", self._tags())

    def _tags(self) -> dict[str, str]:
        pages = self._sagemaker.get_paginator("list_tags").paginate(ResourceArn=self._arn)
        return {one["Key"]: one["Value"] for page in pages for one in page["Tags"]}

    def _ask(self, question: str, service: str, operation: str, **request: Any) -> Json:
        return self._recording.ask(question, service, operation, **request)

    def _model(self, properties: Json, **attributes: str) -> str:
        """A template of one model."""
        model = {"Type": self._account.type_name, "Properties": properties, **attributes}
        return json.dumps({"Resources": {"Model": model}})


def _expect(true: bool, what: str) -> None:
    if not true:
        raise StoryFailed(f"It should have come out that {what}.")


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]


def _empty_archive() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz"):
        pass
    return content.getvalue()
