"""The operations of Cloud Control API: requests and answers.

Sources: botocore's model of `cloudcontrol` and its user guide. Error messages are the service's where they are
known from reports by users of Terraform, Pulumi and the AWS CLI (hashicorp/terraform-provider-awscc,
pulumi/pulumi-aws-native).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cfnbox.aws.http import json_value
from cfnbox.cloudcontrol import patches
from cfnbox.cloudcontrol.requests import Requests, Work
from cfnbox.core.errors import Refused
from cfnbox.core.paths import without
from cfnbox.core.place import Place
from cfnbox.providers.identifiers import primary
from cfnbox.providers.properties import coerced, violations
from cfnbox.providers.protocol import Providers, Request, Resource, ResourceFailed, Served

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cfnbox.core.paths import Json
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.protocol import Progress

# Finds the version of a private type by its id; returns None when the version does not exist.
FindVersion = Callable[[str, Place, str], Served | None]

# botocore, MaxResults of ListResourceRequests.
_DEFAULT_PAGE = 20
# Long poll: clients sleep for seconds between polls, and most requests end within one second. botocore's waiters
# poll less often still.
LONG_POLL_SECONDS = 1.0

# The exceptions of handler error codes that are not named `<code>Exception`.
_EXCEPTIONS = {
    "NotFound": "ResourceNotFoundException",
    "InternalFailure": "HandlerInternalFailureException",
    "GeneralServiceException": "GeneralServiceException",
    # The code of a provider that does not support the operation for this type.
    "UnsupportedAction": "UnsupportedActionException",
}
_NAMED_EXCEPTIONS = (
    "NotUpdatable", "InvalidRequest", "AccessDenied", "InvalidCredentials", "AlreadyExists", "ResourceConflict",
    "Throttling", "ServiceLimitExceeded", "NotStabilized", "ServiceInternalError", "NetworkFailure",
)  # fmt: skip


class CloudControl:
    """The operations. Each takes the place and the request's members, returns the answer, and raises Refused."""

    def __init__(
        self, providers: Providers, find_version: FindVersion = lambda _name, _place, _version: None
    ) -> None:
        self._providers, self._find_version = providers, find_version
        self._requests = Requests()
        self.close = self._requests.close

    @property
    def is_busy(self) -> bool:
        """Return whether a request is in progress."""
        return self._requests.is_busy

    @property
    def operations(self) -> Mapping[str, Callable[[Place, Json], Json]]:
        """Return the operations by their names in botocore."""
        return {
            "CreateResource": self.create,
            "GetResource": self.get,
            "UpdateResource": self.update,
            "DeleteResource": self.delete,
            "ListResources": self.list,
            "GetResourceRequestStatus": self.request_status,
            "ListResourceRequests": self.list_requests,
            "CancelResourceRequest": self.cancel,
        }

    def create(self, place: Place, members: Json) -> Json:
        """CreateResource. Validate the properties against the schema before the request starts."""

        def work() -> Work:
            served = self._served(place, members, "create")
            desired = _validated(served.definition, _parsed(members, "DesiredState"))
            identifier = _identifier_in(served.definition, desired)

            def carry_out(request: Request, progress: Progress) -> Resource:
                return served.provider.create(served.definition, request, desired, progress)

            return Work(served, "CREATE", identifier, carry_out)

        return self._start(place, "CREATE", members, work)

    def update(self, place: Place, members: Json) -> Json:
        """UpdateResource. Apply the patch to the current properties, and validate them before the request starts."""

        def work() -> Work:
            served = self._served(place, members, "update")
            definition = served.definition
            resource = self._read(served, place, members["Identifier"])
            current = without(resource.model, definition.write_only)
            patched = patches.apply(members["PatchDocument"], current)
            patches.refuse_unchangeable(definition, current, patched)
            previous = without(current, definition.read_only)
            desired = _validated(definition, without(patched, definition.read_only))

            def carry_out(request: Request, progress: Progress) -> Resource:
                return served.provider.update(definition, request, resource, previous, desired, progress)

            return Work(served, "UPDATE", resource.identifier, carry_out)

        return self._start(place, "UPDATE", members, work)

    def delete(self, place: Place, members: Json) -> Json:
        """DeleteResource. The request of a resource that does not exist fails with NotFound.

        Pass only the identifier and the read-only properties to the handler, because a delete handler may not rely
        on others ("Resource type handler contract" of the CLI guide).
        """

        def work() -> Work:
            served = self._served(place, members, "delete")
            identifier = self._identifier(served, place, members["Identifier"])

            def carry_out(request: Request, progress: Progress) -> None:
                resource = _current_resource(served, request, identifier)
                served.provider.delete(served.definition, request, resource, {}, progress)

            return Work(served, "DELETE", identifier, carry_out)

        return self._start(place, "DELETE", members, work)

    def get(self, place: Place, members: Json) -> Json:
        """GetResource."""
        served = self._served(place, members, "read")
        resource = self._read(served, place, members["Identifier"])
        return {
            "TypeName": served.definition.type_name,
            "ResourceDescription": _description(served.definition, resource.identifier, resource.model),
        }

    def list(self, place: Place, members: Json) -> Json:
        """ListResources. Return the handler's page: the service reserves MaxResults and does not use it."""
        served = self._served(place, members, "list")
        definition = served.definition
        filters = _parsed(members, "ResourceModel") if "ResourceModel" in members else {}
        _require_filters(definition, filters)
        models, next_token = self._page(served, place, filters, members.get("NextToken"))
        descriptions = [_description(definition, _identifier_of(definition, model), model) for model in models]
        more = {"NextToken": next_token} if next_token else {}
        return {"TypeName": definition.type_name, "ResourceDescriptions": descriptions, **more}

    def request_status(self, place: Place, members: Json) -> Json:
        """GetResourceRequestStatus: a long poll of LONG_POLL_SECONDS. The local cloud runs no hooks."""
        request = self._requests.find(place, members["RequestToken"])
        request.wait_until_ended(LONG_POLL_SECONDS)
        return {"ProgressEvent": request.event(), "HooksProgressEvent": []}

    def list_requests(self, place: Place, members: Json) -> Json:
        """ListResourceRequests, latest first. NextToken is the request token of the last entry of the page."""
        requests = self._requests.latest_first(place)
        if "NextToken" in members:
            requests = requests[requests.index(self._requests.find(place, members["NextToken"])) + 1 :]
        status_filter = members.get("ResourceRequestStatusFilter", {})
        events = [
            event
            for event in (request.event() for request in requests)
            if event["Operation"] in status_filter.get("Operations", [event["Operation"]])
            and event["OperationStatus"] in status_filter.get("OperationStatuses", [event["OperationStatus"]])
        ]
        page = events[: members.get("MaxResults", _DEFAULT_PAGE)]
        more = {"NextToken": page[-1]["RequestToken"]} if len(page) < len(events) else {}
        return {"ResourceRequestStatusSummaries": page, **more}

    def cancel(self, place: Place, members: Json) -> Json:
        """CancelResourceRequest."""
        request = self._requests.find(place, members["RequestToken"])
        request.cancel()
        return {"ProgressEvent": request.event()}

    def _start(self, place: Place, operation: str, members: Json, work: Callable[[], Work]) -> Json:
        """Start a request, or find the one that the same call with the same client token started before."""
        request = self._requests.find_started(place, operation, members) or self._requests.start(
            place, members, work()
        )
        return {"ProgressEvent": request.event()}

    def _served(self, place: Place, members: Json, action: str) -> Served:
        name, version = members["TypeName"], members.get("TypeVersionId")
        served = self._find_version(name, place, version) if version else self._providers.find(name, place)
        if served is None:
            of = f" in version {version}" if version else ""
            raise Refused("TypeNotFoundException", f"The type '{name}' cannot be found{of}.")
        if action not in served.definition.handlers:
            raise Refused(
                "UnsupportedActionException", f"Resource type {name} does not support {action.upper()} action"
            )
        return served

    def _read(self, served: Served, place: Place, text: str) -> Resource:
        identifier = self._identifier(served, place, text)
        with _handler_failures_refused(served.definition):
            return served.provider.read(served.definition, _request(place), identifier)

    def _page(
        self, served: Served, place: Place, filters: Json, token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        with _handler_failures_refused(served.definition):
            return served.provider.list(served.definition, _request(place), filters, token)

    def _identifier(self, served: Served, place: Place, text: str) -> str:
        """Return the primary identifier of a request's Identifier.

        `text` is the parts of the primary identifier joined by "|", or JSON of a primary or additional identifier.
        """
        definition = served.definition
        model = _object(text) if text.lstrip().startswith("{") else None
        if model is None:
            try:
                definition.identifier_model(text)
            except ValueError:
                raise _invalid_identifier(definition, text) from None
            return text
        try:
            with _handler_failures_refused(definition):
                identifier = primary(served, _request(place), model)
        except ValueError:
            raise _invalid_identifier(definition, text) from None
        if identifier is None:
            message = f"No resource of type {definition.type_name} has the identifier {', '.join(model)}."
            raise Refused("ResourceNotFoundException", message)
        return identifier


def _request(place: Place) -> Request:
    return Request(place)


def _current_resource(served: Served, request: Request, identifier: str) -> Resource:
    """Return the resource as its provider reads it, or only its identifier if the provider cannot read the type."""
    try:
        return served.provider.read(served.definition, request, identifier)
    except ResourceFailed as failure:
        if failure.code != "UnsupportedAction":
            raise
        return Resource(identifier, identifier, served.definition.identifier_model(identifier), {})


@contextmanager
def _handler_failures_refused(definition: TypeDefinition) -> Iterator[None]:
    """Convert a handler's failure to the exception of its error code."""
    try:
        yield
    except ResourceFailed as failure:
        exception = f"{failure.code}Exception" if failure.code in _NAMED_EXCEPTIONS else "HandlerFailureException"
        text = f"{definition.type_name} Handler returned status FAILED: {failure}"
        raise Refused(_EXCEPTIONS.get(failure.code, exception), text) from None


def _object(text: str) -> Json | None:
    try:
        parsed = json_value(text)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _parsed(members: Json, member: str) -> Json:
    parsed = _object(members[member])
    if parsed is None:
        raise Refused("InvalidRequestException", f"{member} is not a JSON object.")
    return parsed


def _validated(definition: TypeDefinition, properties: Json) -> Json:
    """Return the properties, coerced to the types of the schema. Raise Refused if they violate it."""
    if problems := violations(definition, properties):
        raise Refused("ValidationException", f"Model validation failed ({chr(10).join(problems)})")
    return coerced(definition, properties)


def _require_filters(definition: TypeDefinition, filters: Json) -> None:
    """Refuse a LIST without the properties that its handlerSchema requires, such as the parent of the resources."""
    required = definition.handlers["list"].get("handlerSchema", {}).get("required", [])
    if missing := [name for name in required if name not in filters]:
        raise Refused(
            "InvalidRequestException",
            f"Missing or invalid ResourceModel property in {definition.type_name} list handler request input."
            f"Required property: ({', '.join(f'#: required key [{name}] not found' for name in missing)})",
        )


def _invalid_identifier(definition: TypeDefinition, text: str) -> Refused:
    identifiers = (definition.primary_identifier, *definition.additional_identifiers)
    forms = " or ".join("|".join(names) for names in identifiers)
    message = f"The identifier {text} is not valid for {definition.type_name}. Its form is {forms}."
    return Refused("ValidationException", message)


def _identifier_in(definition: TypeDefinition, model: Json) -> str | None:
    try:
        return definition.identifier(model)
    except KeyError:
        return None


def _identifier_of(definition: TypeDefinition, model: Json) -> str:
    identifier = _identifier_in(definition, model)
    if identifier is None:
        names = " and ".join(definition.primary_identifier)
        text = f"The list handler of {definition.type_name} returned a resource without {names}."
        raise Refused("PrivateTypeException", text)
    return identifier


def _description(definition: TypeDefinition, identifier: str, model: Json) -> Json:
    return {"Identifier": identifier, "Properties": json.dumps(without(model, definition.write_only))}
