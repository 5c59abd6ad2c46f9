"""The rules and defaults of notebook instances, domains, feature groups, pipelines and code repositories.

"Not recorded" marks messages without a public record. Their codes are those of botocore's model for the operation.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from cfnbox.aws.http import json_value
from cfnbox.sagemaker.resources import Kind, Operation, Statuses, Words
from cfnbox.sagemaker.rules import invalid
from cfnbox.sagemaker.store import Stored, Transition

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.sagemaker.api import PlaceStore


def _renamed(members: Json, names: dict[str, str]) -> Json:
    return {names.get(name, name): value for name, value in members.items()}


# Notebook instances. Both messages are recorded (the Terraform provider matches the first, moto has both).

_DESCRIBED_AS = {"LifecycleConfigName": "NotebookInstanceLifecycleConfigName", "SecurityGroupIds": "SecurityGroups"}


def _prepared_notebook(place: PlaceStore, request: Json) -> Json:
    if "LifecycleConfigName" in request:
        LIFECYCLE.find(place, request["LifecycleConfigName"])
    # API reference, CreateNotebookInstance: defaults.
    defaults = {"DirectInternetAccess": "Enabled", "RootAccess": "Enabled", "VolumeSizeInGB": 5}
    url = f"{request['NotebookInstanceName']}.notebook.{place.region}.sagemaker.aws"
    return defaults | {"Url": url} | _renamed(request, _DESCRIBED_AS)


def _changed_notebook(place: PlaceStore, notebook: Stored, request: Json) -> Json:
    if "LifecycleConfigName" in request:
        LIFECYCLE.find(place, request["LifecycleConfigName"])
    gone = {name.removeprefix("Disassociate") for name, value in request.items() if value is True}
    kept = {name: value for name, value in notebook.members.items() if name not in _renamed_set(gone)}
    return kept | _renamed({k: v for k, v in request.items() if not k.startswith("Disassociate")}, _DESCRIBED_AS)


def _renamed_set(names: set[str]) -> set[str]:
    return {"NotebookInstanceLifecycleConfigName" if name == "LifecycleConfig" else name for name in names}


def _moves(notebook: Stored, allowed: tuple[str, ...], status: str) -> None:
    if notebook.status not in allowed:
        raise invalid(
            f"Status ({notebook.status}) not in ([{', '.join(allowed)}]). Unable to transition to ({status}) for "
            f"Notebook Instance ({notebook.arn})"
        )


def _started_or_stopped(allowed: tuple[str, ...], status: str, ready: str) -> Operation:
    def operation(place: PlaceStore, request: Json) -> Json:
        notebook = NOTEBOOK.find(place, request["NotebookInstanceName"])
        _moves(notebook, allowed, status)

        def finish() -> None:
            notebook.ready = ready

        notebook.begin(Transition(status, finish, lambda: None))
        return {}

    return operation


LIFECYCLE = Kind(
    title="NotebookInstanceLifecycleConfig",
    path="notebook-instance-lifecycle-config",
    missing=Words(
        "Unable to describe Notebook Instance Lifecycle Config '{arn}'. (Details: Notebook Instance Lifecycle Config "
        "does not exist.)"
    ),
    exists=Words(
        "Unable to create Notebook Instance Lifecycle Config {arn}. (Details: Notebook Instance Lifecycle Config "
        "already exists.)"
    ),
)
NOTEBOOK = Kind(
    title="NotebookInstance",
    path="notebook-instance",
    missing=Words("RecordNotFound"),
    exists=Words("Cannot create a duplicate Notebook Instance ({arn})"),
    statuses=Statuses("NotebookInstanceStatus", "InService", "Pending", "Updating", "Deleting"),
    prepared=_prepared_notebook,
    changed=_changed_notebook,
    before_change=lambda _, notebook: _moves(notebook, ("Stopped", "Failed"), "Updating"),
    before_delete=lambda _, notebook: _moves(notebook, ("Stopped", "Failed"), "Deleting"),
)

# Code repositories. Clients match the beginning of the first message (hashicorp/terraform-provider-aws,
# service/sagemaker/code_repository.go). The rest, and the second message, are not recorded.


def _changed_repository(_: PlaceStore, repository: Stored, request: Json) -> Json:
    git = repository.members["GitConfig"] | request.get("GitConfig", {})
    return repository.members | {"GitConfig": git}


REPOSITORY = Kind(
    title="CodeRepository",
    path="code-repository",
    plural="CodeRepositories",
    missing=Words("Cannot find CodeRepository: {arn}"),
    exists=Words("Cannot create already existing CodeRepository: {arn}"),
    changed=_changed_repository,
)


# Domains.


def _prepared_domain(_: PlaceStore, request: Json) -> Json:
    made = {"HomeEfsFileSystemId": f"fs-{uuid.uuid4().hex[:17]}", "AppNetworkAccessType": "PublicInternetOnly"}
    return made | request


def _changed_domain(_: PlaceStore, domain: Stored, request: Json) -> Json:
    settings = domain.members.get("DomainSettings", {}) | request.pop("DomainSettingsForUpdate", {})
    return domain.members | request | ({"DomainSettings": settings} if settings else {})


DOMAIN = Kind(
    title="Domain",
    path="domain",
    named="DomainId",
    # Not recorded.
    missing=Words("Domain {name} does not exist.", "ResourceNotFound"),
    exists=Words("Domain {name} already exists.", "ResourceInUse"),
    statuses=Statuses("Status", "InService", "Pending", "Updating", "Deleting"),
    identified=lambda _, __: f"d-{uuid.uuid4().hex[:12]}",
    prepared=_prepared_domain,
    changed=_changed_domain,
    shown=lambda place, domain: {"Url": f"https://{domain.name}.studio.{place.region}.sagemaker.aws"},
)


# Feature groups.


def _prepared_features(place: PlaceStore, request: Json) -> Json:
    # Not recorded; API reference, CreateFeatureGroup.
    features = [feature["FeatureName"] for feature in request["FeatureDefinitions"]]
    for member in ("RecordIdentifierFeatureName", "EventTimeFeatureName"):
        if request[member] not in features:
            raise invalid(f"{member} must be the name of a feature in FeatureDefinitions.")
    if not request.keys() & {"OnlineStoreConfig", "OfflineStoreConfig"}:
        raise invalid("Specify at least one of OnlineStoreConfig and OfflineStoreConfig.")
    offline = request.get("OfflineStoreConfig")
    if offline is None:
        return request
    if "RoleArn" not in request:
        raise invalid("Specify RoleArn with OfflineStoreConfig.")
    name, storage = request["FeatureGroupName"], offline["S3StorageConfig"]
    storage.setdefault(
        "ResolvedOutputS3Uri",
        f"{storage['S3Uri'].rstrip('/')}/{place.account}/sagemaker/{place.region}/offline-store/{name}/data",
    )
    if not offline.get("DisableGlueTableCreation"):
        table = name.lower().replace("-", "_")
        catalog = {"TableName": table, "Catalog": "AwsDataCatalog", "Database": "sagemaker_featurestore"}
        offline.setdefault("DataCatalogConfig", catalog)
    return request | {"OfflineStoreStatus": {"Status": "Active"}}


def _changed_features(_: PlaceStore, group: Stored, request: Json) -> Json:
    definitions = [*group.members["FeatureDefinitions"], *request.pop("FeatureAdditions", [])]
    online = group.members.get("OnlineStoreConfig", {}) | request.pop("OnlineStoreConfig", {})
    changed = {"FeatureDefinitions": definitions, "LastUpdateStatus": {"Status": "Successful"}}
    return group.members | request | changed | ({"OnlineStoreConfig": online} if online else {})


FEATURES = Kind(
    title="FeatureGroup",
    path="feature-group",
    # Not recorded.
    missing=Words("Resource Not Found: FeatureGroup with name {name} does not exist.", "ResourceNotFound"),
    # Recorded in moto's tests.
    exists=Words(
        "Resource Already Exists: FeatureGroup with name {name} already exists. Choose a different name.\n"
        "Info: Feature Group '{name}' already exists.",
        "ResourceInUse",
    ),
    statuses=Statuses("FeatureGroupStatus", "Created", "Creating", deleting="Deleting", failed="CreateFailed"),
    prepared=_prepared_features,
    changed=_changed_features,
)


# Pipelines. Their executions are moto's (moto.py).


def _checked_definition(request: Json) -> None:
    # The first two messages are moto's, recorded from the service. The third has only the recorded beginning.
    given = request.keys() & {"PipelineDefinition", "PipelineDefinitionS3Location"}
    if not given:
        raise invalid("Either Pipeline Definition or Pipeline Definition S3 location should be provided")
    if len(given) == 2:
        raise invalid("Both Pipeline Definition and Pipeline Definition S3 Location shouldn't be present")
    try:
        json_value(request.get("PipelineDefinition", "{}"))
    except ValueError:
        raise invalid("Unable to parse pipeline definition. It is not valid JSON.") from None


def _prepared_pipeline(_: PlaceStore, request: Json) -> Json:
    _checked_definition(request)
    request.setdefault("PipelineDisplayName", request["PipelineName"])
    return request


def _changed_pipeline(_: PlaceStore, pipeline: Stored, request: Json) -> Json:
    before = dict(pipeline.members)
    if request.keys() & {"PipelineDefinition", "PipelineDefinitionS3Location"}:
        _checked_definition(request)
        before = {k: v for k, v in before.items() if not k.startswith("PipelineDefinition")}
    return before | request


PIPELINE = Kind(
    title="Pipeline",
    path="pipeline",
    # Not recorded.
    missing=Words("Pipeline '{arn}' does not exist.", "ResourceNotFound"),
    exists=Words(
        "Pipeline names must be unique within an AWS account and region. Pipeline with name ({name}) already exists."
    ),
    statuses=Statuses("PipelineStatus", "Active"),
    prepared=_prepared_pipeline,
    changed=_changed_pipeline,
)

KINDS = (LIFECYCLE, NOTEBOOK, REPOSITORY, DOMAIN, FEATURES, PIPELINE)
OPERATIONS: dict[str, Operation] = {
    "StartNotebookInstance": _started_or_stopped(("Stopped", "Failed"), "Pending", "InService"),
    "StopNotebookInstance": _started_or_stopped(("InService",), "Stopping", "Stopped"),
}
