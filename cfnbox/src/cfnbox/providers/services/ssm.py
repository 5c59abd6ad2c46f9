"""Types of Systems Manager.

Sources: botocore's service model; generated names are recorded to be `CFN-LogicalId-RANDOM`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfnbox.providers.services.parts import Update
from cfnbox.providers.services.service_type import GeneratedName, ServiceType, Tags, named_by

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.providers.services.calls import Calls

_PROPERTIES = ("AllowedPattern", "DataType", "Description", "Tier", "Type", "Value")


def _describe_parameter(calls: Calls, key: Json, _known: Json) -> Json | None:
    answer = calls.find("GetParameter", {**key, "WithDecryption": True})
    return None if answer is None else {**answer["Parameter"], "Arn": answer["Parameter"].get("ARN")}


_PARAMETER_TYPE = ServiceType(
    "ssm",
    key=named_by("Name"),
    name=GeneratedName("Name", 1011, r"\w.-", stack_name="CFN"),
    create="PutParameter",
    create_request=lambda properties, _place: {
        name: value for name, value in properties.items() if name in ("Name", *_PROPERTIES)
    },
    describe=_describe_parameter,
    parts=(
        Update(
            "PutParameter",
            _PROPERTIES,
            request=lambda values: {**values, "Overwrite": True},
            defaults={"Description": "", "AllowedPattern": "", "DataType": "text"},
            sends_all=True,
        ),
    ),
    tags=Tags(
        "AddTagsToResource",
        "RemoveTagsFromResource",
        "ListTagsForResource",
        target=lambda key, _model: {"ResourceType": "Parameter", "ResourceId": key["Name"]},
        answer_member="TagList",
    ),
    delete="DeleteParameter",
    list=lambda calls, _filters: (
        {"Name": item["Name"]} for item in calls.items("DescribeParameters", {}, "Parameters")
    ),
    not_applied=("Policies",),
)

TYPES: dict[str, ServiceType] = {"AWS::SSM::Parameter": _PARAMETER_TYPE}
