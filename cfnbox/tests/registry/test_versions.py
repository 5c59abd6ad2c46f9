"""Types and versions: numbers, defaults, deregistration, lists, and the handlers that serve operations."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.core.place import Place
from cfnbox.registry.types import MOST_VERSIONS, Pinned
from registry.package_builders import NAME, SCHEMA, package

if TYPE_CHECKING:
    from registry.conftest import Cloud

ARN = "arn:aws:cloudformation:us-east-1:123456789012:type/resource/Example-Notes-Note"
TYPE = {"Type": "RESOURCE", "TypeName": NAME}


def versions(cloud: Cloud, **request: Any) -> list[tuple[str, bool]]:
    found = cloud.client.list_type_versions(**TYPE, **request)["TypeVersionSummaries"]
    return [(one["VersionId"], one["IsDefaultVersion"]) for one in found]


def test_versions_are_numbered_and_the_first_is_the_default(cloud: Cloud) -> None:
    assert [cloud.register(package(by)) for by in ("first", "second")] == [f"{ARN}/00000001", f"{ARN}/00000002"]
    assert versions(cloud) == [("00000001", True), ("00000002", False)]
    assert cloud.created_by().startswith("first us-east-1")


def test_the_next_operation_runs_the_default_version(cloud: Cloud) -> None:
    first, second = cloud.register(), cloud.register(package("second"))
    cloud.client.set_type_default_version(Arn=second)
    assert cloud.created_by().startswith("second ")
    cloud.client.set_type_default_version(**TYPE, VersionId=first[-8:])
    assert cloud.created_by().startswith("first ")
    assert versions(cloud) == [("00000001", True), ("00000002", False)]


def test_handlers_of_a_replaced_version_end(cloud: Cloud) -> None:
    cloud.register()
    cloud.created_by()
    (runtime,) = cloud.runtimes
    assert len(runtime.process_ids) == 1
    cloud.client.set_type_default_version(Arn=cloud.register(package("second")))
    assert runtime.process_ids == []


def test_regions_and_accounts_have_their_own_types(cloud: Cloud) -> None:
    west = cloud.connect("eu-west-1")
    cloud.register()
    token = cloud.begin(package("west"), client=west)
    answer = cloud.ended(token, west)
    assert answer["TypeVersionArn"] == f"{ARN.replace('us-east-1', 'eu-west-1')}/00000001"
    assert cloud.created_by(Place("us-east-1")).startswith("first us-east-1")
    assert cloud.created_by(Place("eu-west-1")).startswith("west eu-west-1")
    assert cloud.connect(account="999999999999").list_types()["TypeSummaries"] == []


def test_a_repeated_registration_with_the_same_token_registers_a_single_version(cloud: Cloud) -> None:
    token = str(uuid.uuid4())
    request = {**TYPE, "SchemaHandlerPackage": "s3://types/0.zip", "ClientRequestToken": token}
    first = cloud.begin(package(), Type="RESOURCE", ClientRequestToken=token)
    assert cloud.client.register_type(**request)["RegistrationToken"] == first
    cloud.ended(first)
    assert versions(cloud) == [("00000001", True)]
    other = {**request, "SchemaHandlerPackage": "s3://types/1.zip"}
    assert token in cloud.refused("CFNRegistryException", cloud.client.register_type, **other)


def test_describe_type_returns_a_version_and_its_defaults(cloud: Cloud) -> None:
    role = "arn:aws:iam::123456789012:role/types"
    logging = {"LogRoleArn": role, "LogGroupName": "notes"}
    cloud.register(ExecutionRoleArn=role, LoggingConfig=logging)
    cloud.register(package("second", schema={"description": "Another", "sourceUrl": "https://example.com/notes.git"}))
    for request in (TYPE, {"Arn": ARN}, {"Arn": f"{ARN}/00000001"}, {**TYPE, "VersionId": "00000001"}):
        answer = cloud.client.describe_type(**request)
        assert answer["Arn"] == f"{ARN}/00000001"
        assert (answer["DefaultVersionId"], answer["IsDefaultVersion"]) == ("00000001", True)
    assert json.loads(answer["Schema"]) == SCHEMA
    told = {name: answer[name] for name in ("ProvisioningType", "DeprecatedStatus", "Visibility", "TypeTestsStatus")}
    assert told == {"ProvisioningType": "FULLY_MUTABLE", "DeprecatedStatus": "LIVE", "Visibility": "PRIVATE",
                    "TypeTestsStatus": "NOT_TESTED"}  # fmt: skip
    assert (answer["ExecutionRoleArn"], answer["LoggingConfig"]) == (role, logging)
    second = cloud.client.describe_type(**TYPE, VersionId="00000002")
    assert (second["Description"], second["SourceUrl"]) == ("Another", "https://example.com/notes.git")
    assert (second["IsDefaultVersion"], second["DefaultVersionId"]) == (False, "00000001")


@pytest.mark.parametrize(
    ("left_out", "kind"), [(("update",), "IMMUTABLE"), (("create", "update", "delete"), "NON_PROVISIONABLE")]
)
def test_the_provisioning_type_comes_from_the_handlers(cloud: Cloud, left_out: Any, kind: str) -> None:
    handlers = {name: one for name, one in SCHEMA["handlers"].items() if name not in left_out}
    cloud.register(package(schema={"handlers": handlers}))
    assert cloud.client.describe_type(**TYPE)["ProvisioningType"] == kind
    assert [one["TypeName"] for one in cloud.client.list_types(ProvisioningType=kind)["TypeSummaries"]] == [NAME]
    assert cloud.client.list_types(ProvisioningType="FULLY_MUTABLE")["TypeSummaries"] == []


def test_published_types_are_described(cloud: Cloud) -> None:
    answer = cloud.client.describe_type(Type="RESOURCE", TypeName="AWS::S3::Bucket")
    assert answer["Arn"] == "arn:aws:cloudformation:us-east-1::type/resource/AWS-S3-Bucket"
    assert (answer["Visibility"], json.loads(answer["Schema"])["typeName"]) == ("PUBLIC", "AWS::S3::Bucket")
    assert cloud.client.describe_type(Arn=answer["Arn"])["TypeName"] == "AWS::S3::Bucket"
    pages = cloud.client.get_paginator("list_types").paginate(
        Visibility="PUBLIC", Filters={"Category": "AWS_TYPES", "TypeNamePrefix": "AWS::EC2"}
    )
    names = [one["TypeName"] for page in pages for one in page["TypeSummaries"]]
    assert len(names) > 100
    assert {"AWS::EC2::VPC", "AWS::EC2::Instance"} <= set(names)
    serverless = {"Category": "AWS_TYPES", "TypeNamePrefix": "AWS::Serverless"}
    (one,) = cloud.client.list_types(Visibility="PUBLIC", Filters=serverless)["TypeSummaries"]
    assert one["TypeName"] == "AWS::ServerlessRepo::Application"


def test_an_unregistered_type_or_version_is_not_found(cloud: Cloud) -> None:
    client = cloud.client
    cloud.register()
    for request in ({**TYPE, "TypeName": "Example::Other::Note"}, {**TYPE, "VersionId": "00000009"},
                    {**TYPE, "Type": "HOOK"}, {"Arn": f"{ARN}/00000009"}):  # fmt: skip
        assert "cannot be found" in cloud.refused("TypeNotFoundException", client.describe_type, **request)
    other = {**TYPE, "TypeName": "Example::Other::Note"}
    cloud.refused("TypeNotFoundException", client.deregister_type, **other)
    cloud.refused("TypeNotFoundException", client.set_type_default_version, **other, VersionId="00000001")
    cloud.refused("CFNRegistryException", client.list_type_versions, **other)
    cloud.refused("CFNRegistryException", client.describe_type)
    cloud.refused("CFNRegistryException", client.describe_type_registration, RegistrationToken="none")


def test_a_version_is_deregistered(cloud: Cloud) -> None:
    cloud.register()
    second = cloud.register(package("second"))
    cloud.client.deregister_type(Arn=second)
    assert versions(cloud) == [("00000001", True)]
    assert versions(cloud, DeprecatedStatus="DEPRECATED") == [("00000002", False)]
    assert cloud.client.describe_type(Arn=second)["DeprecatedStatus"] == "DEPRECATED"
    cloud.refused("TypeNotFoundException", cloud.client.set_type_default_version, Arn=second)
    cloud.refused("TypeNotFoundException", cloud.client.deregister_type, Arn=second)
    assert cloud.register(package("third")) == f"{ARN}/00000003"


def test_a_default_version_with_other_versions_is_not_deregistered(cloud: Cloud) -> None:
    first = cloud.register()
    cloud.register(package("second"))
    said = cloud.refused("CFNRegistryException", cloud.client.deregister_type, Arn=first)
    assert said == (
        "Version '00000001' is the default version and cannot be deregistered. "
        f"Deregister the resource type '{NAME}' instead."
    )
    said = cloud.refused("CFNRegistryException", cloud.client.deregister_type, **TYPE)
    assert said == f"{NAME} has other versions in use. Deregister them first: 00000002."
    assert len(versions(cloud)) == 2


@pytest.mark.parametrize("request_", [TYPE, {"Arn": f"{ARN}/00000001"}, {**TYPE, "VersionId": "00000001"}])
def test_deregistering_the_last_version_deregisters_the_type(cloud: Cloud, request_: Any) -> None:
    cloud.register()
    cloud.client.deregister_type(**request_)
    assert cloud.types.find(NAME, Place("us-east-1")) is None
    assert cloud.client.list_types()["TypeSummaries"] == []
    (deprecated,) = cloud.client.list_types(DeprecatedStatus="DEPRECATED")["TypeSummaries"]
    assert deprecated["TypeName"] == NAME
    assert cloud.client.describe_type(**TYPE)["DeprecatedStatus"] == "DEPRECATED"
    # Registered again, it goes on counting.
    assert cloud.register(package("again")) == f"{ARN}/00000002"
    assert cloud.created_by().startswith("again ")


def test_a_pinned_version_is_found_by_its_id(cloud: Cloud) -> None:
    cloud.register()
    cloud.client.set_type_default_version(Arn=cloud.register(package("second")))
    place = Place("us-east-1")
    found = Pinned(cloud.types, "00000001").find(NAME, place)
    assert found
    assert found.version == "00000001"
    assert Pinned(cloud.types, "00000003").find(NAME, place) is None


def test_the_number_of_versions_is_limited(cloud: Cloud) -> None:
    content = package()
    for _ in range(MOST_VERSIONS):
        cloud.register(content)
    answer = cloud.registration(content)
    assert answer["ProgressStatus"] == "FAILED"
    assert "Deregister versions that you do not need." in answer["Description"]


def test_registrations_are_listed_by_their_status(cloud: Cloud) -> None:
    good = cloud.begin(package())
    cloud.ended(good)
    bad = cloud.begin(b"")
    cloud.ended(bad)
    listed = cloud.client.list_type_registrations
    assert listed()["RegistrationTokenList"] == []
    assert listed(RegistrationStatusFilter="COMPLETE", **TYPE)["RegistrationTokenList"] == [good]
    assert listed(RegistrationStatusFilter="FAILED", TypeArn=ARN)["RegistrationTokenList"] == [bad]
    assert listed(RegistrationStatusFilter="FAILED", TypeName="Example::Other::Note")["RegistrationTokenList"] == []


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("publish_type", {}),
        ("register_publisher", {}),
        ("test_type", {}),
        ("activate_type", {}),
        ("deactivate_type", {}),
        ("describe_publisher", {}),
        ("register_type", {"Type": "HOOK", "TypeName": NAME, "SchemaHandlerPackage": "s3://types/x.zip"}),
        ("register_type", {"Type": "MODULE", "TypeName": NAME + "::MODULE", "SchemaHandlerPackage": "s3://types/x"}),
        ("describe_type", {"PublisherId": "c830e97710da0c9954d80ba8df021e5439e7134b", **TYPE}),
    ],
)
def test_unsupported_operations_and_members_are_refused_with_a_reason(
    cloud: Cloud, operation: str, request_: Any
) -> None:
    said = cloud.refused("CFNRegistryException", getattr(cloud.client, operation), **request_)
    assert "cfnbox" in said
