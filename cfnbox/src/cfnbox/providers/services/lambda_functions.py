"""Types of Lambda.

Sources: botocore's service model; the template reference for Ref, Fn::GetAtt and defaults; Lambda's message about
code in S3 is the one that users quote (serverless/serverless#13208), and so are those about a version that exists
(serverless/serverless#8392) and about other code (serverless/serverless#3696).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfnbox.handlers import interpreters
from cfnbox.providers import inline_code
from cfnbox.providers.iam_documents import lets_assume
from cfnbox.providers.protocol import ResourceFailed
from cfnbox.providers.services.models import parsed
from cfnbox.providers.services.parts import Hook, Setting, Update
from cfnbox.providers.services.service_type import GeneratedName, ServiceType, Tags, listed_by, named_by

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.providers.services.calls import Calls

_ARN_PARTS = 7
_INVALID = (400, "InvalidRequest")


def _function_name(name: str) -> str:
    """Return the name in a name, a partial ARN or an ARN of a function, without its qualifier."""
    before, found, after = name.partition("function:")
    return (after if found else before).partition(":")[0]


def _as_written(known: Json, name: str, function: str) -> str:
    """Return a function as a template writes it: a template may name it by its ARN."""
    written = str(known.get(name, ""))
    return written if written and _function_name(written) == _function_name(function) else function


def _require_s3_object(calls: Calls, previous: Json, desired: Json, name: str) -> None:
    """Refuse code in S3 that is not there: Lambda here would make a function without code."""
    location = desired.get(name, {})
    if "S3Bucket" not in location or location == previous.get(name):
        return
    bucket = {"Bucket": location["S3Bucket"]}
    member = {"Key": location.get("S3Key", "")}
    version = {"VersionId": location["S3ObjectVersion"]} if "S3ObjectVersion" in location else {}
    for operation, members, code, what in (
        ("HeadBucket", bucket, "NoSuchBucket", "bucket"),
        ("HeadObject", {**bucket, **member, **version}, "NoSuchKey", "key"),
    ):
        try:
            calls.invoke(operation, members, service="s3")
        except ResourceFailed as failure:
            if failure.code != "NotFound":
                raise
            message = (
                f"Error occurred while GetObject. S3 Error Code: {code}. "
                f"S3 Error Message: The specified {what} does not exist"
            )
            raise calls.refused(message, *_INVALID) from None


def _require_role(calls: Calls, previous: Json, desired: Json) -> None:
    """Refuse a role that was made here and does not trust Lambda. Roles of elsewhere are not known, and accepted."""
    arn = str(desired.get("Role", ""))
    if arn == previous.get("Role") or f"::{calls.request.place.account}:role/" not in arn:
        return
    try:
        role = calls.invoke("GetRole", {"RoleName": arn.rpartition("/")[2]}, service="iam")["Role"]
    except ResourceFailed as failure:
        if failure.code != "NotFound":
            raise
        return
    if not lets_assume(role["AssumeRolePolicyDocument"], "lambda.amazonaws.com"):
        # The sentence is the one that users quote of CreateFunction (hashicorp/terraform#7192).
        raise calls.refused("The role defined for the function cannot be assumed by Lambda.", *_INVALID)


def _check_function(calls: Calls, previous: Json, desired: Json) -> None:
    _require_s3_object(calls, previous, desired, "Code")
    _require_role(calls, previous, desired)


# Functions

_DEFAULTS: Json = {
    "DeadLetterConfig": {"TargetArn": ""},
    "Description": "",
    "Environment": {"Variables": {}},
    "EphemeralStorage": {"Size": 512},
    "FileSystemConfigs": [],
    "ImageConfig": {},
    "KmsKeyArn": "",
    "Layers": [],
    "LoggingConfig": {"LogFormat": "Text"},
    "MemorySize": 128,
    "SnapStart": {"ApplyOn": "None"},
    "Timeout": 3,
    "TracingConfig": {"Mode": "PassThrough"},
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
}
_CONFIGURATION = (*_DEFAULTS, "CapacityProviderConfig", "DurableConfig", "Handler", "Role", "Runtime")


def _to_members(properties: Json) -> Json:
    """Return the members of Lambda's API: KMSKeyArn is written otherwise there."""
    members = {name: value for name, value in properties.items() if name != "KmsKeyArn"}
    return {**members, **({"KMSKeyArn": properties["KmsKeyArn"]} if "KmsKeyArn" in properties else {})}


def _code(properties: Json) -> Json:
    packed = inline_code.package(properties)
    return {"ZipFile": packed} if packed is not None else dict(properties["Code"])


def _apply_code(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    names = ("Code", "Architectures")
    if all(previous.get(name) == desired.get(name) for name in names):
        return
    members = {**_code(desired), "Architectures": desired.get("Architectures", ["x86_64"])}
    calls.invoke("UpdateFunctionCode", {**key, **members}, missing_is="InvalidRequest")


def _describe_function(calls: Calls, key: Json, _known: Json) -> Json | None:
    answer = calls.find("GetFunction", key)
    if answer is None:
        return None
    configuration = answer["Configuration"]
    # No answer has the code that was sent: the schema calls all of it write-only.
    model: Json = {**configuration, **answer.get("Concurrency", {}), "Arn": configuration["FunctionArn"], "Code": {}}
    model["KmsKeyArn"] = model.pop("KMSKeyArn", None)
    model["Layers"] = [layer["Arn"] for layer in model.get("Layers", ())]
    model["SnapStartResponse"] = model.get("SnapStart")
    model["ImageConfig"] = model.pop("ImageConfigResponse", {}).get("ImageConfig")
    network = model.pop("VpcConfig", {})
    if network.get("SubnetIds") or network.get("SecurityGroupIds"):
        model["VpcConfig"] = {name: value for name, value in network.items() if name != "VpcId"}
    if not model.get("Environment", {}).get("Variables"):
        model.pop("Environment", None)
    if not model.get("DeadLetterConfig", {}).get("TargetArn"):
        model.pop("DeadLetterConfig", None)
    return {name: value for name, value in model.items() if value != ""}


def _function_failure(description: Json) -> str | None:
    reasons = (("State", "StateReason"), ("LastUpdateStatus", "LastUpdateStatusReason"))
    for status, reason in reasons:
        if description.get(status) == "Failed":
            return str(description.get(reason) or f"{status} is Failed.")
    return None


def _runtime_notice(properties: Json, *, is_here: bool) -> tuple[str, ...]:
    """Return what runs a function in place of its runtime, or that nothing does."""
    runtime = properties.get("Runtime")
    if not isinstance(runtime, str) or (interpreters.find(runtime) is not None) != is_here:
        return ()
    notice = interpreters.notice(runtime)
    return (notice,) if notice else ()


_FUNCTION_TYPE = ServiceType(
    "lambda",
    key=named_by("FunctionName"),
    name=GeneratedName("FunctionName", 64, "A-Za-z0-9_-"),
    create="CreateFunction",
    create_request=lambda properties, _place: {**_to_members(properties), "Code": _code(properties)},
    create_answer=lambda answer: {
        "Arn": answer["FunctionArn"],
        "FunctionName": answer["FunctionName"],
        "SnapStartResponse": answer.get("SnapStart"),
    },
    check=_check_function,
    describe=_describe_function,
    is_settled=lambda description: (
        description.get("State") != "Pending" and description.get("LastUpdateStatus") != "InProgress"
    ),
    failure=_function_failure,
    parts=(
        Update("UpdateFunctionConfiguration", _CONFIGURATION, request=_to_members, defaults=_DEFAULTS),
        Hook(_apply_code, in_create=True),
        Setting("ReservedConcurrentExecutions", put="PutFunctionConcurrency", delete="DeleteFunctionConcurrency"),
        Setting(
            "RecursiveLoop",
            put="PutFunctionRecursionConfig",
            get="GetFunctionRecursionConfig",
            default="Terminate",
        ),
    ),
    tags=Tags(
        "TagResource",
        "UntagResource",
        "ListTags",
        target=lambda _key, model: {"Resource": model["Arn"]},
        written_as_map=True,
        read_as_map=True,
    ),
    delete="DeleteFunction",
    list=listed_by("ListFunctions", "Functions", {"FunctionName": "FunctionName"}),
    remarks=lambda properties: _runtime_notice(properties, is_here=True),
    unsupported=lambda properties: _runtime_notice(properties, is_here=False),
    not_applied=(
        "CodeSigningConfigArn",
        "FunctionScalingConfig",
        "PublishToLatestPublished",
        "RuntimeManagementConfig",
    ),
)

# Versions

# What a new version has otherwise than the function it is made of.
_OF_A_VERSION = (
    "Description",
    "FunctionArn",
    "LastModified",
    "LastUpdateStatus",
    "LastUpdateStatusReason",
    "LastUpdateStatusReasonCode",
    "RevisionId",
    "SnapStart",
    "State",
    "StateReason",
    "StateReasonCode",
    "Version",
)


def _qualified_key(arn: str, member: str = "Qualifier") -> Json:
    """Return the members that name a version or an alias, of its ARN."""
    function, _, qualifier = arn.rpartition(":")
    return {"FunctionName": _function_name(function), member: qualifier}


def _require_publishable(calls: Calls, previous: Json, desired: Json) -> None:
    """Refuse a version of other code, and one of a function that has not changed: Lambda makes none."""
    if previous:
        return
    key = {"FunctionName": _function_name(desired["FunctionName"])}
    versions = calls.items("ListVersionsByFunction", key, "Versions")
    current: Json = next((version for version in versions if version["Version"] == "$LATEST"), {})
    digest = current.get("CodeSha256")
    if digest and desired.get("CodeSha256", digest) != digest:
        message = (
            f"CodeSHA256 ({desired['CodeSha256']}) is different from current CodeSHA256 in $LATEST ({digest}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )
        raise calls.refused(message, *_INVALID)
    published = [version for version in versions if version["Version"] != "$LATEST"]
    latest = max(published, key=lambda version: int(version["Version"]), default=None)
    if latest and all(current.get(name) == latest.get(name) for name in current if name not in _OF_A_VERSION):
        raise calls.failed(
            f"A version for this Lambda function exists ( {latest['Version']} ). "
            "Modify the function to create a new version.",
            "AlreadyExists",
        )


def _describe_version(calls: Calls, key: Json, known: Json) -> Json | None:
    description = calls.find("GetFunctionConfiguration", key)
    if description is None:
        return None
    name = _as_written(known, "FunctionName", description["FunctionName"])
    return {**description, "FunctionName": name}


def _provisioned() -> Setting:
    return Setting(
        "ProvisionedConcurrencyConfig",
        put="PutProvisionedConcurrencyConfig",
        get="GetProvisionedConcurrencyConfig",
        delete="DeleteProvisionedConcurrencyConfig",
        request=lambda value: value,
        answer=lambda answer: {"ProvisionedConcurrentExecutions": answer["RequestedProvisionedConcurrentExecutions"]},
    )


_VERSION_TYPE = ServiceType(
    "lambda",
    key=_qualified_key,
    create="PublishVersion",
    check=_require_publishable,
    describe=_describe_version,
    describe_after_create=False,
    parts=(_provisioned(),),
    delete="DeleteFunction",
    list=lambda calls, filters: (
        {"FunctionArn": version["FunctionArn"]}
        for version in calls.items("ListVersionsByFunction", filters, "Versions")
        if version["Version"] != "$LATEST"
    ),
    not_applied=("FunctionScalingConfig", "RuntimePolicy"),
)

# Aliases


def _routing(properties: Json) -> Json:
    """Return the members of an alias: the weights of versions are a map to the API."""
    members = {**properties}
    if "RoutingConfig" in members:
        weights = members["RoutingConfig"].get("AdditionalVersionWeights") or ()
        members["RoutingConfig"] = {
            "AdditionalVersionWeights": {weight["FunctionVersion"]: weight["FunctionWeight"] for weight in weights}
        }
    return members


def _alias_key(arn: str) -> Json:
    return _qualified_key(arn, "Name")


def _describe_alias(calls: Calls, key: Json, known: Json) -> Json | None:
    description = calls.find("GetAlias", key)
    if description is None:
        return None
    weights = description.pop("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    routing = [{"FunctionVersion": version, "FunctionWeight": weight} for version, weight in weights.items()]
    return {
        **{name: value for name, value in description.items() if value != ""},
        **({"RoutingConfig": {"AdditionalVersionWeights": routing}} if routing else {}),
        "FunctionName": _as_written(known, "FunctionName", key["FunctionName"]),
    }


def _apply_alias_concurrency(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    _provisioned().apply(calls, {**key, "Qualifier": key["Name"]}, previous, desired)


_ALIAS_TYPE = ServiceType(
    "lambda",
    key=_alias_key,
    create="CreateAlias",
    create_request=lambda properties, _place: _routing(properties),
    describe=_describe_alias,
    describe_after_create=False,
    parts=(
        Update(
            "UpdateAlias",
            ("Description", "FunctionVersion", "RoutingConfig"),
            request=_routing,
            defaults={"Description": "", "RoutingConfig": {}},
        ),
        Hook(
            _apply_alias_concurrency,
            lambda calls, key: _provisioned().read(calls, {**key, "Qualifier": key["Name"]}),
        ),
    ),
    delete="DeleteAlias",
    list=listed_by("ListAliases", "Aliases", {"AliasArn": "AliasArn"}),
)

# Permissions

# The conditions of a statement, by the property that they hold.
_CONDITIONS = {
    "EventSourceToken": ("StringEquals", "lambda:EventSourceToken"),
    "FunctionUrlAuthType": ("StringEquals", "lambda:FunctionUrlAuthType"),
    "InvokedViaFunctionUrl": ("Bool", "lambda:InvokedViaFunctionUrl"),
    "PrincipalOrgID": ("StringEquals", "aws:PrincipalOrgID"),
    "SourceAccount": ("StringEquals", "AWS:SourceAccount"),
    "SourceArn": ("ArnLike", "AWS:SourceArn"),
}


def _permission_key(identifier: str) -> Json:
    function, _, statement = identifier.partition("|")
    return {"FunctionName": function, "StatementId": statement}


def _describe_permission(calls: Calls, key: Json, _known: Json) -> Json | None:
    answer = calls.find("GetPolicy", key)
    statements = parsed(answer["Policy"])["Statement"] if answer else ()
    for statement in statements:
        if statement["Sid"] == key["StatementId"]:
            principal, conditions = statement["Principal"], statement.get("Condition", {})
            found = {name: conditions.get(kind, {}).get(member) for name, (kind, member) in _CONDITIONS.items()}
            return {
                **{name: value for name, value in found.items() if value is not None},
                "Action": statement["Action"],
                "Principal": principal if isinstance(principal, str) else next(iter(principal.values())),
            }
    return None


_PERMISSION_TYPE = ServiceType(
    "lambda",
    key=_permission_key,
    name=GeneratedName("Id", 100, "A-Za-z0-9_-"),
    ref="Id",
    create="AddPermission",
    create_request=lambda properties, _place: {**properties, "StatementId": properties["Id"]},
    create_answer=lambda _answer: {},
    describe=_describe_permission,
    describe_after_create=False,
    delete="RemovePermission",
)

# Event source mappings

_MAPPING_DEFAULTS: Json = {
    "BatchSize": 10,
    "BisectBatchOnFunctionError": False,
    "DestinationConfig": {},
    "Enabled": True,
    "FilterCriteria": {},
    "FunctionResponseTypes": [],
    "MaximumBatchingWindowInSeconds": 0,
    "MaximumRecordAgeInSeconds": -1,
    "MaximumRetryAttempts": -1,
    "ParallelizationFactor": 1,
    "ScalingConfig": {},
}


def _describe_mapping(calls: Calls, key: Json, known: Json) -> Json | None:
    answer = calls.find("GetEventSourceMapping", key)
    if answer is None:
        return None
    parts = answer["FunctionArn"].split(":")
    # A version or an alias stays part of the name.
    function = answer["FunctionArn"] if len(parts) > _ARN_PARTS else parts[-1]
    return {
        **answer,
        "Enabled": answer["State"] in ("Enabled", "Enabling", "Creating"),
        "FunctionName": _as_written(known, "FunctionName", function),
        "Id": answer["UUID"],
    }


_MAPPING_TYPE = ServiceType(
    "lambda",
    key=named_by("UUID"),
    create="CreateEventSourceMapping",
    create_answer=lambda answer: {**answer, "Id": answer["UUID"]},
    describe=_describe_mapping,
    describe_after_create=False,
    parts=(Update("UpdateEventSourceMapping", ("FunctionName", *_MAPPING_DEFAULTS), defaults=_MAPPING_DEFAULTS),),
    tags=Tags(
        "TagResource",
        "UntagResource",
        "ListTags",
        target=lambda _key, model: {"Resource": model["EventSourceMappingArn"]},
        written_as_map=True,
        read_as_map=True,
    ),
    delete="DeleteEventSourceMapping",
    list=listed_by("ListEventSourceMappings", "EventSourceMappings", {"UUID": "Id"}),
    not_applied=(
        "AmazonManagedKafkaEventSourceConfig",
        "DocumentDBEventSourceConfig",
        "KmsKeyArn",
        "LoggingConfig",
        "MetricsConfig",
        "ProvisionedPollerConfig",
        "Queues",
        "SelfManagedEventSource",
        "SelfManagedKafkaEventSourceConfig",
        "SourceAccessConfigurations",
        "StartingPositionTimestamp",
        "Topics",
        "TumblingWindowInSeconds",
    ),
)

# Function URLs


def _url_key(arn: str) -> Json:
    parts = arn.split(":")
    qualifier = {"Qualifier": parts[_ARN_PARTS]} if len(parts) > _ARN_PARTS else {}
    return {"FunctionName": _function_name(arn), **qualifier}


def _url_arn(place: Place, model: Json) -> Json:
    """Return the ARN of the function or alias, which Ref returns."""
    name = _function_name(model["TargetFunctionArn"])
    arn = f"arn:{place.partition}:lambda:{place.region}:{place.account}:function:{name}"
    return {"FunctionArn": f"{arn}:{model['Qualifier']}" if "Qualifier" in model else arn}


def _url_members(properties: Json) -> Json:
    return {**properties, "FunctionName": _function_name(properties["TargetFunctionArn"])}


def _describe_url(calls: Calls, key: Json, known: Json) -> Json | None:
    answer = calls.find("GetFunctionUrlConfig", key)
    if answer is None:
        return None
    function = ":".join(answer["FunctionArn"].split(":")[:_ARN_PARTS])
    qualifier = {"Qualifier": key["Qualifier"]} if "Qualifier" in key else {}
    return {**answer, **qualifier, "TargetFunctionArn": _as_written(known, "TargetFunctionArn", function)}


_URL_TYPE = ServiceType(
    "lambda",
    key=_url_key,
    create="CreateFunctionUrlConfig",
    create_request=lambda properties, _place: _url_members(properties),
    describe=_describe_url,
    derived=_url_arn,
    describe_after_create=False,
    parts=(
        Update(
            "UpdateFunctionUrlConfig",
            ("AuthType", "Cors", "InvokeMode"),
            defaults={"Cors": {}, "InvokeMode": "BUFFERED"},
        ),
    ),
    delete="DeleteFunctionUrlConfig",
)

# Layer versions


def _layer_key(arn: str) -> Json:
    layer, _, version = arn.rpartition(":")
    return {"LayerName": layer.rpartition(":")[2], "VersionNumber": int(version) if version.isdecimal() else 0}


def _describe_layer(calls: Calls, key: Json, _known: Json) -> Json | None:
    answer = calls.find("GetLayerVersion", key) if key["VersionNumber"] else None
    if answer is None:
        return None
    return {**{name: value for name, value in answer.items() if value != ""}, "LayerName": key["LayerName"]}


_LAYER_TYPE = ServiceType(
    "lambda",
    key=_layer_key,
    name=GeneratedName("LayerName", 140, "A-Za-z0-9_-"),
    create="PublishLayerVersion",
    check=lambda calls, previous, desired: _require_s3_object(calls, previous, desired, "Content"),
    describe=_describe_layer,
    describe_after_create=False,
    delete="DeleteLayerVersion",
)

TYPES: dict[str, ServiceType] = {
    "AWS::Lambda::Alias": _ALIAS_TYPE,
    "AWS::Lambda::EventSourceMapping": _MAPPING_TYPE,
    "AWS::Lambda::Function": _FUNCTION_TYPE,
    "AWS::Lambda::LayerVersion": _LAYER_TYPE,
    "AWS::Lambda::Permission": _PERMISSION_TYPE,
    "AWS::Lambda::Url": _URL_TYPE,
    "AWS::Lambda::Version": _VERSION_TYPE,
}
