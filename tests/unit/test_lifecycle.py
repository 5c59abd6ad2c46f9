"""Create, read, update, delete and list, on the JSON that CloudFormation sends and receives."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import ARTIFACTS, IMAGE, MODEL, ROLE, Invoke

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.handlers.events import Action
    from cfnbox.sagemaker.server import LocalSageMaker

STACK = "arn:aws:cloudformation:us-east-1:123456789012:stack/fraud-scoring/11111111-2222-3333-4444-555555555555"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:model/"


def tags(**values: Any) -> Any:
    return [{"Key": key, "Value": value} for key, value in values.items()]


def as_dict(model: Any) -> Any:
    return {tag["Key"]: tag["Value"] for tag in model.get("Tags", [])}


@pytest.fixture
def made(invoke: Invoke) -> Any:
    return invoke("CREATE", {**MODEL, "ModelName": "scorer", "Tags": tags(team="risk", stage="dev")})["resourceModel"]


class TestCreate:
    def test_returns_the_model_as_the_service_describes_it(
        self, invoke: Invoke, operations: Callable[[], list[str]]
    ) -> None:
        answer = invoke("CREATE", {**MODEL, "ModelName": "scorer"})
        assert answer["status"] == "SUCCESS"
        model = answer["resourceModel"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", model.pop("CreationTime"))
        assert model == {
            "ModelArn": ARN + "scorer",
            "ModelName": "scorer",
            "Name": "scorer",
            "ExecutionRoleArn": ROLE,
            "EnableNetworkIsolation": False,
            "DeploymentRecommendation": {"RecommendationStatus": "NOT_APPLICABLE"},
            "PrimaryContainer": {
                "Image": IMAGE,
                "Mode": "SingleModel",
                "ModelDataUrl": ARTIFACTS,
                "ModelDataSource": {
                    "S3DataSource": {"S3Uri": ARTIFACTS, "S3DataType": "S3Object", "CompressionType": "Gzip"}
                },
            },
        }
        # No describe before the create: it would break policies that allow by tag.
        assert operations() == ["CreateModel", "DescribeModel"]

    def test_merges_stack_tags_with_model_tags(self, invoke: Invoke, client: Any) -> None:
        answer = invoke(
            "CREATE",
            {**MODEL, "Tags": tags(stage="prod", team="risk")},
            stack_tags={"stage": "dev", "cost": "42"},
            system_tags={"aws:cloudformation:stack-name": "fraud-scoring"},
        )
        wanted = {"stage": "prod", "team": "risk", "cost": "42"}
        assert as_dict(answer["resourceModel"]) == wanted
        there = client.list_tags(ResourceArn=answer["resourceModel"]["ModelArn"])["Tags"]
        assert {tag["Key"]: tag["Value"] for tag in there} == wanted

    @pytest.mark.parametrize(
        ("stack", "logical_id", "pattern"),
        [
            (STACK, "Scorer", "fraud-scoring-Scorer-[0-9a-f]{12}"),
            (STACK, "Scorer" * 20, "fraud-scoring-(Scorer)+S?c?-[0-9a-f]{12}"),
            (None, "Scorer", "Scorer-[0-9a-f]{12}"),
            (STACK, None, "fraud-scoring--?[0-9a-f]{12}"),
            (None, None, "[0-9a-f]{12}"),
        ],
    )
    def test_generates_a_valid_name(self, invoke: Invoke, stack: Any, logical_id: Any, pattern: str) -> None:
        answer = invoke("CREATE", MODEL, stack_id=stack, logical_id=logical_id)
        assert answer["status"] == "SUCCESS"
        name = answer["resourceModel"]["Name"]
        assert re.fullmatch(pattern, name)
        assert len(name) <= 63

    def test_generates_the_same_name_for_the_same_request_only(self, invoke: Invoke, client: Any) -> None:
        first, second, other = (
            invoke("CREATE", MODEL, stack_id=STACK, logical_id="Scorer", token=token) for token in ("1", "1", "2")
        )
        assert first["resourceModel"] == second["resourceModel"]
        assert other["resourceModel"]["Name"] != first["resourceModel"]["Name"]
        assert len(client.list_models()["Models"]) == 2

    def test_refuses_an_existing_name(self, invoke: Invoke, made: Any) -> None:
        answer = invoke("CREATE", {**MODEL, "ModelName": "scorer"})
        assert answer["errorCode"] == "AlreadyExists"
        assert "Leave ModelName out" in answer["message"]
        assert "resourceModel" not in answer

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("ModelArn", ARN + "x"),
            ("Name", "x"),
            ("CreationTime", "2026-01-01T00:00:00Z"),
            ("DeploymentRecommendation", {"RecommendationStatus": "COMPLETED"}),
        ],
    )
    def test_refuses_read_only_input(
        self, invoke: Invoke, operations: Callable[[], list[str]], name: str, value: Any
    ) -> None:
        answer = invoke("CREATE", {**MODEL, name: value})
        assert answer["errorCode"] == "InvalidRequest"
        assert f"/properties/{name} is read-only" in answer["message"]
        assert operations() == []

    def test_creates_a_model_from_the_properties_of_a_read(self, invoke: Invoke, made: Any) -> None:
        writable = {name: made[name] for name in ("PrimaryContainer", "ExecutionRoleArn", "EnableNetworkIsolation")}
        again = invoke("CREATE", {**writable, "ModelName": "again"})["resourceModel"]
        assert {name: again[name] for name in writable} == writable

    def test_accepts_booleans_and_numbers_as_cloudformation_sends_them(self, invoke: Invoke, client: Any) -> None:
        container = {
            "Image": IMAGE,
            "Environment": {"THREADS": 4, "DEBUG": True, "RATE": 0.5},
            "ContainerMetricsConfig": {
                "MetricsEndpoints": [{"MetricsEndpointPath": "/metrics", "MetricPublishFrequencyInSeconds": "60"}]
            },
        }
        answer = invoke("CREATE", {"PrimaryContainer": container, "EnableNetworkIsolation": "true"})
        held = client.describe_model(ModelName=answer["resourceModel"]["Name"])
        assert held["EnableNetworkIsolation"] is True
        assert held["PrimaryContainer"]["Environment"] == {"THREADS": "4", "DEBUG": "true", "RATE": "0.5"}
        endpoint = held["PrimaryContainer"]["ContainerMetricsConfig"]["MetricsEndpoints"][0]
        assert endpoint["MetricPublishFrequencyInSeconds"] == 60

    @pytest.mark.parametrize(
        "empty",
        [
            {"Environment": {}},
            {"MultiModelConfig": {}, "ContainerMetricsConfig": {"MetricsEndpoints": []}, "ModelDataSource": {}},
            {"AdditionalModelDataSources": []},
        ],
        ids=lambda empty: " ".join(empty),
    )
    def test_empty_properties_are_read_back_as_empty(self, invoke: Invoke, empty: Any) -> None:
        """`!If [Named, {NAME: scorer}, {}]` in a template, or drift on a clean deploy."""
        for model in (
            {"PrimaryContainer": {"Image": IMAGE, **empty}},
            {"Containers": [{"Image": IMAGE, **empty}, {"Image": IMAGE}]},
        ):
            made = invoke("CREATE", model)["resourceModel"]
            read = invoke("READ", {"ModelArn": made["ModelArn"]})["resourceModel"]
            assert read == made
            container = read.get("PrimaryContainer") or read["Containers"][0]
            assert {name: container.get(name) for name in empty} == empty
            assert "Environment" in container or "Environment" not in empty

    def test_an_empty_list_of_containers_is_ignored(self, invoke: Invoke, client: Any) -> None:
        """`!If [Pipeline, [...], []]` beside a PrimaryContainer."""
        made = invoke("CREATE", {**MODEL, "Containers": []})["resourceModel"]
        assert "Containers" not in made
        made = invoke("CREATE", {"PrimaryContainer": {}, "Containers": [{"Image": IMAGE}]})["resourceModel"]
        assert "PrimaryContainer" not in made

    def test_omits_empty_structures_that_a_user_cannot_set(self, invoke: Invoke, sagemaker: LocalSageMaker) -> None:
        """SageMaker may add an empty RepositoryAuthConfig, which could not be written."""
        vpc = {"VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}
        config = {"ImageConfig": {"RepositoryAccessMode": "Vpc"}}
        sagemaker.faults.inject("DescribeModel", "empty-members")
        made = invoke("CREATE", {"PrimaryContainer": {"Image": IMAGE, **config}, **vpc})["resourceModel"]
        assert made["PrimaryContainer"] == {"Image": IMAGE, "Mode": "SingleModel", "Environment": {}, **config}
        again = invoke("CREATE", {"PrimaryContainer": made["PrimaryContainer"], **vpc})
        assert again["status"] == "SUCCESS"
        updated = invoke("UPDATE", {"ModelArn": made["ModelArn"], "PrimaryContainer": {"Image": IMAGE, **config}})
        assert updated["status"] == "SUCCESS", updated

    def test_keeps_the_order_of_a_pipeline(self, invoke: Invoke) -> None:
        names = ["clean", "embed", "score"]
        containers = [{"Image": IMAGE, "ContainerHostname": name} for name in names]
        model = invoke("CREATE", {"Containers": containers, "ExecutionRoleArn": ROLE})["resourceModel"]
        assert [container["ContainerHostname"] for container in model["Containers"]] == names
        assert model["InferenceExecutionConfig"] == {"Mode": "Serial"}


class TestRead:
    def test_reads_by_arn_or_by_name(self, invoke: Invoke, made: Any, operations: Callable[[], list[str]]) -> None:
        operations()
        assert invoke("READ", {"ModelArn": made["ModelArn"]})["resourceModel"] == made
        assert operations() == ["DescribeModel", "ListTags"]
        assert invoke("READ", {"ModelName": "scorer"})["resourceModel"] == made

    def test_reads_by_an_arn_in_lower_case_with_the_name(self, invoke: Invoke) -> None:
        made = invoke("CREATE", {**MODEL, "ModelName": "Scorer"})["resourceModel"]
        answer = invoke("READ", {"ModelArn": made["ModelArn"].lower(), "ModelName": "Scorer"})
        assert answer["resourceModel"] == made

    def test_reads_all_pages_of_tags_without_system_tags(
        self, invoke: Invoke, made: Any, client: Any, sagemaker: LocalSageMaker
    ) -> None:
        wanted = {f"key-{number:02}": "value" for number in range(48)}
        client.add_tags(ResourceArn=made["ModelArn"], Tags=tags(**wanted))
        sagemaker.write_system_tags(made["ModelArn"], {"aws:cloudformation:stack-name": "fraud-scoring"})
        read = invoke("READ", {"ModelArn": made["ModelArn"]})["resourceModel"]
        assert as_dict(read) == {**wanted, "team": "risk", "stage": "dev"}

    @pytest.mark.parametrize(
        "identifiers",
        [
            {"ModelArn": ARN + "nobody"},
            {"ModelName": "missing"},
            {"ModelArn": ARN.replace("us-east-1", "eu-west-1") + "scorer"},
            {"ModelArn": ARN.replace("123456789012", "210987654321") + "scorer"},
            {},
        ],
    )
    @pytest.mark.parametrize("action", ["READ", "UPDATE", "DELETE"])
    def test_a_missing_model_is_not_found(
        self, invoke: Invoke, made: Any, client: Any, action: Action, identifiers: Any
    ) -> None:
        answer = invoke(action, identifiers)
        assert (answer["status"], answer["errorCode"]) == ("FAILED", "NotFound")
        assert client.describe_model(ModelName="scorer")

    @pytest.mark.parametrize(
        "identifiers",
        [
            {"ModelArn": "arn:aws:s3:::bucket"},
            {"ModelArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/scorer"},
            {"ModelName": "scorer-"},
            {"ModelName": "s" * 300},
            {"ModelArn": ["scorer"]},
        ],
    )
    @pytest.mark.parametrize("action", ["READ", "UPDATE", "DELETE"])
    def test_an_invalid_identifier_is_an_invalid_request(
        self, invoke: Invoke, operations: Callable[[], list[str]], action: Action, identifiers: Any
    ) -> None:
        answer = invoke(action, identifiers)
        assert answer["errorCode"] == "InvalidRequest"
        assert f"/properties/{next(iter(identifiers))}" in answer["message"]
        assert operations() == []


class TestUpdate:
    def test_changes_only_tags_that_differ(
        self, invoke: Invoke, made: Any, client: Any, operations: Callable[[], list[str]]
    ) -> None:
        client.add_tags(ResourceArn=made["ModelArn"], Tags=tags(theirs="kept"))
        operations()
        answer = invoke(
            "UPDATE", {**made, "Tags": tags(team="fraud", new="1")}, previous=made, previous_stack_tags={"cost": "42"}
        )
        wanted = {"team": "fraud", "new": "1", "theirs": "kept"}
        assert as_dict(answer["resourceModel"]) == wanted
        assert as_dict(invoke("READ", {"ModelName": "scorer"})["resourceModel"]) == wanted
        assert operations()[:4] == ["DescribeModel", "ListTags", "AddTags", "DeleteTags"]

    def test_makes_no_change_without_a_difference(
        self, invoke: Invoke, made: Any, operations: Callable[[], list[str]]
    ) -> None:
        operations()
        assert invoke("UPDATE", made, previous=made)["resourceModel"] == made
        assert operations() == ["DescribeModel", "ListTags"]

    def test_applies_changed_stack_tags(self, invoke: Invoke, made: Any) -> None:
        answer = invoke(
            "UPDATE", made, previous=made, stack_tags={"cost": "43", "team": "x"}, previous_stack_tags={"cost": "42"}
        )
        assert as_dict(answer["resourceModel"]) == {"cost": "43", "team": "risk", "stage": "dev"}
        answer = invoke("UPDATE", made, previous=made, stack_tags={}, previous_stack_tags={"cost": "43", "team": "x"})
        assert as_dict(answer["resourceModel"]) == {"team": "risk", "stage": "dev"}

    def test_restores_a_tag_changed_outside_of_the_stack(self, invoke: Invoke, made: Any, client: Any) -> None:
        client.add_tags(ResourceArn=made["ModelArn"], Tags=tags(team="nobody"))
        desired = {**made, "Tags": tags(team="risk", stage="prod")}
        assert as_dict(invoke("UPDATE", desired, previous=made)["resourceModel"]) == {"team": "risk", "stage": "prod"}

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"PrimaryContainer": {"Image": IMAGE + "1", "ModelDataUrl": ARTIFACTS}}, "PrimaryContainer"),
            ({"ExecutionRoleArn": ROLE + "2"}, "ExecutionRoleArn"),
            ({"EnableNetworkIsolation": True}, "EnableNetworkIsolation"),
            ({"VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}, "VpcConfig"),
            ({"ModelName": "other"}, "ModelName"),
        ],
    )
    def test_refuses_a_create_only_change(
        self, invoke: Invoke, made: Any, client: Any, change: Any, pointer: str
    ) -> None:
        answer = invoke("UPDATE", {**made, "Tags": [], **change}, previous=made)
        assert answer["errorCode"] == "NotUpdatable"
        assert f"/properties/{pointer} cannot change" in answer["message"]
        assert len(client.list_tags(ResourceArn=made["ModelArn"])["Tags"]) == 2

    def test_refuses_a_removed_create_only_property(self, invoke: Invoke) -> None:
        vpc = {"VpcConfig": {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}}
        made = invoke("CREATE", {**MODEL, **vpc, "ModelName": "inside"})["resourceModel"]
        answer = invoke("UPDATE", {**MODEL, "ModelArn": made["ModelArn"]}, previous=made)
        assert "/properties/VpcConfig cannot change" in answer["message"]

    def test_ignores_properties_that_the_service_adds(self, invoke: Invoke, made: Any) -> None:
        template = {**MODEL, "ModelArn": made["ModelArn"], "Tags": tags(stage="prod")}
        assert invoke("UPDATE", template, previous=made)["status"] == "SUCCESS"
        assert invoke("UPDATE", template)["status"] == "SUCCESS"

    def test_ignores_the_order_of_subnets(self, invoke: Invoke) -> None:
        vpc = {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
        made = invoke("CREATE", {**MODEL, "VpcConfig": vpc})["resourceModel"]
        desired = {**made, "VpcConfig": {**vpc, "Subnets": vpc["Subnets"][::-1]}}
        assert invoke("UPDATE", desired, previous=made)["status"] == "SUCCESS"

    def test_refuses_another_order_of_containers(self, invoke: Invoke) -> None:
        containers = [{"Image": IMAGE, "ContainerHostname": name} for name in ("clean", "score")]
        made = invoke("CREATE", {"Containers": containers})["resourceModel"]
        answer = invoke("UPDATE", {**made, "Containers": made["Containers"][::-1]}, previous=made)
        assert "/properties/Containers cannot change" in answer["message"]

    def test_reports_a_missing_model_before_violations(self, invoke: Invoke) -> None:
        broken = {"ModelName": "missing", "PrimaryContainer": {"Image": "changed"}, "Tags": tags(x="y") * 2}
        assert invoke("UPDATE", broken, previous={"ModelName": "missing", **MODEL})["errorCode"] == "NotFound"


class TestDelete:
    def test_deletes_a_model_with_a_single_call(
        self, invoke: Invoke, made: Any, client: Any, operations: Callable[[], list[str]]
    ) -> None:
        operations()
        answer = invoke("DELETE", made)
        assert answer["status"] == "SUCCESS"
        assert "resourceModel" not in answer
        assert operations() == ["DeleteModel"]
        assert client.list_models()["Models"] == []
        assert invoke("DELETE", made)["errorCode"] == "NotFound"

    def test_deletes_a_model_with_properties_that_are_no_longer_valid(self, invoke: Invoke, made: Any) -> None:
        assert invoke("DELETE", {**made, "Retired": 1, "VpcConfig": None})["status"] == "SUCCESS"


class TestList:
    def test_returns_a_page_of_models(self, invoke: Invoke, client: Any, operations: Callable[[], list[str]]) -> None:
        wanted = [f"scorer-{number:03}" for number in range(120)]
        for name in wanted:
            client.create_model(ModelName=name, **MODEL)
        operations()
        first = invoke("LIST")
        assert len(first["resourceModels"]) == 100
        assert operations() == ["ListModels"]
        second = invoke("LIST", next_token=first["nextToken"])
        assert "nextToken" not in second
        found = first["resourceModels"] + second["resourceModels"]
        assert sorted(found, key=lambda model: model["ModelName"]) == [
            {"ModelName": name, "ModelArn": ARN + name} for name in wanted
        ]

    def test_returns_an_empty_list_without_models(self, invoke: Invoke) -> None:
        assert invoke("LIST")["resourceModels"] == []

    def test_refuses_an_invalid_next_token(self, invoke: Invoke) -> None:
        assert invoke("LIST", next_token="not a token")["errorCode"] == "InvalidRequest"
