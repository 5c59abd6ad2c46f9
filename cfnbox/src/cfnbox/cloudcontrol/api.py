"""The operations of Cloud Control API.

Sources: botocore's model of `cloudcontrol` and its user guide. The words of errors are the service's as users of
Terraform, Pulumi and the AWS CLI report them (hashicorp/terraform-provider-awscc, pulumi/pulumi-aws-native), where
they are known.
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

# A version of a private type that a request names; None when there is none of that id.
FindVersion = Callable[[str, Place, str], Served | None]

# botocore, MaxResults of ListResourceRequests.
_DEFAULT_PAGE = 20
# Clients sleep for seconds before they ask again, and most requests are done in one. botocore's waiters wait longer.
LONG_POLL_SECONDS = 1.0

# The exception of a handler's error code, where it is not the code with Exception behind it.
_EXCEPTIONS = {
    "NotFound": "ResourceNotFoundException",
    "InternalFailure": "HandlerInternalFailureException",
    "GeneralServiceException": "GeneralServiceException",
    # What a provider says of an operation that it does not have for a type.
    "UnsupportedAction": "UnsupportedActionException",
}
_NAMED_EXCEPTIONS = (
    "NotUpdatable", "InvalidRequest", "AccessDenied", "InvalidCredentials", "AlreadyExists", "ResourceConflict",
    "Throttling", "ServiceLimitExceeded", "NotStabilized", "ServiceInternalError", "NetworkFailure",
)  # fmt: skip


class CloudControl:
    """Each operation takes place and request to the answer; all raise Refused."""

    def __init__(
        self, providers: Providers, find_version: FindVersion = lambda _name, _place, _version: None
    ) -> None:
        self._providers, self._find_version = providers, find_version
        self._requests = Requests()
        self.close = self._requests.close

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return self._requests.busy

    @property
    def operations(self) -> Mapping[str, Callable[[Place, Json], Json]]:
        """The operations by their names in botocore."""
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

    def create(self, place: Place, asked: Json) -> Json:
        """CreateResource: properties are checked against the schema before anything begins."""

        def work() -> Work:
            served = self._served(place, asked, "create")
            desired = _validated(served.definition, _parsed(asked, "DesiredState"))
            identifier = _identifier_in(served.definition, desired)

            def carry_out(request: Request, progress: Progress) -> Resource:
                return served.provider.create(served.definition, request, desired, progress)

            return Work(served, "CREATE", identifier, carry_out)

        return self._begun(place, "CREATE", asked, work)

    def update(self, place: Place, asked: Json) -> Json:
        """UpdateResource: the patch is applied to what the resource is now, and checked before anything begins."""

        def work() -> Work:
            served = self._served(place, asked, "update")
            definition = served.definition
            resource = self._read(served, place, asked["Identifier"])
            now = without(resource.model, definition.write_only)
            then = patches.patched(asked["PatchDocument"], now)
            patches.refuse_fixed(definition, now, then)
            previous = without(now, definition.read_only)
            desired = _validated(definition, without(then, definition.read_only))

            def carry_out(request: Request, progress: Progress) -> Resource:
                return served.provider.update(definition, request, resource, previous, desired, progress)

            return Work(served, "UPDATE", resource.identifier, carry_out)

        return self._begun(place, "UPDATE", asked, work)

    def delete(self, place: Place, asked: Json) -> Json:
        """DeleteResource: that the resource is not there shows in the request, which fails with NotFound.

        The handler learns no property but the identifier and the read-only ones: a delete handler may count on no
        more ("Resource type handler contract" of the CLI guide).
        """

        def work() -> Work:
            served = self._served(place, asked, "delete")
            identifier = self._identifier(served, place, asked["Identifier"])

            def carry_out(request: Request, progress: Progress) -> None:
                resource = _as_it_is(served, request, identifier)
                served.provider.delete(served.definition, request, resource, {}, progress)

            return Work(served, "DELETE", identifier, carry_out)

        return self._begun(place, "DELETE", asked, work)

    def get(self, place: Place, asked: Json) -> Json:
        """GetResource."""
        served = self._served(place, asked, "read")
        resource = self._read(served, place, asked["Identifier"])
        return {
            "TypeName": served.definition.type_name,
            "ResourceDescription": _description(served.definition, resource.identifier, resource.model),
        }

    def list(self, place: Place, asked: Json) -> Json:
        """ListResources. The pages are the handler's: the service reserves MaxResults and does not use it."""
        served = self._served(place, asked, "list")
        definition = served.definition
        filters = _parsed(asked, "ResourceModel") if "ResourceModel" in asked else {}
        _require_filters(definition, filters)
        models, following = self._page(served, place, filters, asked.get("NextToken"))
        descriptions = [_description(definition, _identified(definition, one), one) for one in models]
        more = {"NextToken": following} if following else {}
        return {"TypeName": definition.type_name, "ResourceDescriptions": descriptions, **more}

    def request_status(self, place: Place, asked: Json) -> Json:
        """GetResourceRequestStatus, once the request has rested for a moment; the local cloud runs no hooks."""
        request = self._requests.find(place, asked["RequestToken"])
        request.rest(LONG_POLL_SECONDS)
        return {"ProgressEvent": request.event(), "HooksProgressEvent": []}

    def list_requests(self, place: Place, asked: Json) -> Json:
        """ListResourceRequests, the latest first; NextToken is the token of the last request that was shown."""
        requests = self._requests.latest_first(place)
        if "NextToken" in asked:
            requests = requests[requests.index(self._requests.find(place, asked["NextToken"])) + 1 :]
        wanted = asked.get("ResourceRequestStatusFilter", {})
        events = [
            event
            for event in (one.event() for one in requests)
            if event["Operation"] in wanted.get("Operations", [event["Operation"]])
            and event["OperationStatus"] in wanted.get("OperationStatuses", [event["OperationStatus"]])
        ]
        page = events[: asked.get("MaxResults", _DEFAULT_PAGE)]
        more = {"NextToken": page[-1]["RequestToken"]} if len(page) < len(events) else {}
        return {"ResourceRequestStatusSummaries": page, **more}

    def cancel(self, place: Place, asked: Json) -> Json:
        """CancelResourceRequest."""
        request = self._requests.find(place, asked["RequestToken"])
        request.cancel()
        return {"ProgressEvent": request.event()}

    def _begun(self, place: Place, operation: str, asked: Json, work: Callable[[], Work]) -> Json:
        """The request that the call made, now or when it was made for the first time."""
        request = self._requests.made(place, operation, asked) or self._requests.start(place, asked, work())
        return {"ProgressEvent": request.event()}

    def _served(self, place: Place, asked: Json, action: str) -> Served:
        name, version = asked["TypeName"], asked.get("TypeVersionId")
        served = self._find_version(name, place, version) if version else self._providers.find(name, place)
        if served is None:
            of = f" in version {version}" if version else ""
            raise Refused("TypeNotFoundException", f"The type '{name}' cannot be found{of}.")
        if action not in served.definition.handlers:
            raise Refused(
                "UnsupportedActionException", f"Resource type {name} does not support {action.upper()} action"
            )
        return served

    def _read(self, served: Served, place: Place, given: str) -> Resource:
        identifier = self._identifier(served, place, given)
        with _failures_refused(served.definition):
            return served.provider.read(served.definition, _request(place), identifier)

    def _page(
        self, served: Served, place: Place, filters: Json, token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        with _failures_refused(served.definition):
            return served.provider.list(served.definition, _request(place), filters, token)

    def _identifier(self, served: Served, place: Place, given: str) -> str:
        """The primary identifier that is meant: its parts joined by "|", or JSON of it or of a secondary one."""
        definition = served.definition
        model = _object(given) if given.lstrip().startswith("{") else None
        if model is None:
            try:
                definition.identifier_model(given)
            except ValueError:
                raise _not_an_identifier(definition, given) from None
            return given
        try:
            with _failures_refused(definition):
                found = primary(served, _request(place), model)
        except ValueError:
            raise _not_an_identifier(definition, given) from None
        if found is None:
            text = f"No resource of type {definition.type_name} has the identifier {', '.join(model)}."
            raise Refused("ResourceNotFoundException", text)
        return found


def _request(place: Place) -> Request:
    return Request(place)


def _as_it_is(served: Served, request: Request, identifier: str) -> Resource:
    """The resource as its provider reads it; where that cannot read the type, what the identifier tells."""
    try:
        return served.provider.read(served.definition, request, identifier)
    except ResourceFailed as failure:
        if failure.code != "UnsupportedAction":
            raise
        return Resource(identifier, identifier, served.definition.identifier_model(identifier), {})


@contextmanager
def _failures_refused(definition: TypeDefinition) -> Iterator[None]:
    """Answer a handler's failure as the exception of its code."""
    try:
        yield
    except ResourceFailed as failure:
        named = f"{failure.code}Exception" if failure.code in _NAMED_EXCEPTIONS else "HandlerFailureException"
        text = f"{definition.type_name} Handler returned status FAILED: {failure}"
        raise Refused(_EXCEPTIONS.get(failure.code, named), text) from None


def _object(text: str) -> Json | None:
    try:
        parsed = json_value(text)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _parsed(asked: Json, member: str) -> Json:
    parsed = _object(asked[member])
    if parsed is None:
        raise Refused("InvalidRequestException", f"{member} is not a JSON object.")
    return parsed


def _validated(definition: TypeDefinition, properties: Json) -> Json:
    """The properties in the types that the schema declares. Raises Refused."""
    if found := violations(definition, properties):
        raise Refused("ValidationException", f"Model validation failed ({chr(10).join(found)})")
    return coerced(definition, properties)


def _require_filters(definition: TypeDefinition, filters: Json) -> None:
    """Refuse a LIST without what its handlerSchema requires, such as the parent of the resources."""
    required = definition.handlers["list"].get("handlerSchema", {}).get("required", [])
    if missing := [name for name in required if name not in filters]:
        raise Refused(
            "InvalidRequestException",
            f"Missing or invalid ResourceModel property in {definition.type_name} list handler request input."
            f"Required property: ({', '.join(f'#: required key [{name}] not found' for name in missing)})",
        )


def _not_an_identifier(definition: TypeDefinition, given: str) -> Refused:
    identifiers = (definition.primary_identifier, *definition.additional_identifiers)
    forms = " or ".join("|".join(names) for names in identifiers)
    return Refused("ValidationException", f"Identifier {given} is not one of {definition.type_name}: it has {forms}.")


def _identifier_in(definition: TypeDefinition, model: Json) -> str | None:
    try:
        return definition.identifier(model)
    except KeyError:
        return None


def _identified(definition: TypeDefinition, model: Json) -> str:
    identifier = _identifier_in(definition, model)
    if identifier is None:
        names = " and ".join(definition.primary_identifier)
        text = f"The list handler of {definition.type_name} answered a resource without {names}."
        raise Refused("PrivateTypeException", text)
    return identifier


def _description(definition: TypeDefinition, identifier: str, model: Json) -> Json:
    return {"Identifier": identifier, "Properties": json.dumps(without(model, definition.write_only))}
