"""Job definitions of model monitoring, and their schedules. "Not recorded" marks messages without a public record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfnbox.sagemaker.endpoints import ENDPOINT
from cfnbox.sagemaker.resources import Kind, Operation, Statuses, Words
from cfnbox.sagemaker.rules import invalid
from cfnbox.sagemaker.store import Stored, Transition

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.sagemaker.api import PlaceStore


def _input_of(members: Json) -> Json:
    inputs = [value for name, value in members.items() if name.endswith("JobInput")]
    found: Json = inputs[0].get("EndpointInput", {}) if inputs else {}
    return found


def _check_monitored(place: PlaceStore, name: str | None) -> None:
    """Raise Refused unless the endpoint exists and captures data (recorded)."""
    endpoint = place.resources.find(ENDPOINT.path, name) if name else None
    if name and (endpoint is None or not endpoint.members.get("DataCaptureConfig", {}).get("EnableCapture")):
        raise invalid(f"Endpoint '{name}' does not exist or is not valid")


def _prepared_job(place: PlaceStore, request: Json) -> Json:
    _check_monitored(place, _input_of(request).get("EndpointName"))
    return request


def _shown_job(_: PlaceStore, job: Stored) -> Json:
    return {"EndpointName": _input_of(job.members).get("EndpointName")}


def _job_definition(monitoring_type: str, path: str) -> Kind:
    return Kind(
        title=f"{monitoring_type}JobDefinition",
        path=path,
        named="JobDefinitionName",
        arn_member="JobDefinitionArn",
        # Not recorded.
        missing=Words("Job definition {arn} does not exist.", "ResourceNotFound"),
        exists=Words("Job definition {arn} already exists.", "ResourceInUse"),
        prepared=_prepared_job,
        shown=_shown_job,
        aliases={f"Monitoring{one}": one for one in ("JobDefinitionName", "JobDefinitionArn")},
    )


JOB_DEFINITIONS = {
    "DataQuality": _job_definition("DataQuality", "data-quality-job-definition"),
    "ModelQuality": _job_definition("ModelQuality", "model-quality-job-definition"),
    "ModelBias": _job_definition("ModelBias", "model-bias-job-definition"),
    "ModelExplainability": _job_definition("ModelExplainability", "model-explainability-job-definition"),
}


def _prepared_schedule(place: PlaceStore, request: Json) -> Json:
    config = request["MonitoringScheduleConfig"]
    kind = config.get("MonitoringType", "DataQuality")
    if "MonitoringJobDefinitionName" in config:
        job = JOB_DEFINITIONS[kind].find(place, config["MonitoringJobDefinitionName"])
        return request | {"MonitoringType": kind, "EndpointName": _input_of(job.members).get("EndpointName")}
    inputs = config.get("MonitoringJobDefinition", {}).get("MonitoringInputs", [])
    names = [one["EndpointInput"]["EndpointName"] for one in inputs if "EndpointInput" in one]
    _check_monitored(place, next(iter(names), None))
    return request | {"MonitoringType": kind, "EndpointName": next(iter(names), None)}


def _scheduled(ready: str) -> Operation:
    def operation(place: PlaceStore, request: Json) -> Json:
        schedule = SCHEDULE.find(place, request["MonitoringScheduleName"])

        def finish() -> None:
            schedule.ready = ready

        schedule.begin(Transition("Pending", finish, lambda: None))
        return {}

    return operation


SCHEDULE = Kind(
    title="MonitoringSchedule",
    path="monitoring-schedule",
    # Not recorded.
    missing=Words("Monitoring schedule {arn} does not exist.", "ResourceNotFound"),
    exists=Words("Monitoring schedule {arn} already exists.", "ResourceInUse"),
    statuses=Statuses("MonitoringScheduleStatus", "Scheduled", "Pending", "Pending"),
    prepared=_prepared_schedule,
    changed=lambda place, schedule, request: schedule.members | _prepared_schedule(place, request),
)

KINDS = (*JOB_DEFINITIONS.values(), SCHEDULE)
OPERATIONS: dict[str, Operation] = {
    "StartMonitoringSchedule": _scheduled("Scheduled"),
    "StopMonitoringSchedule": _scheduled("Stopped"),
}
