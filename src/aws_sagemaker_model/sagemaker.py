"""The seven calls to SageMaker. Each returns an answer, or raises errors.Refusal or errors.NoAnswer."""

from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from . import errors, tags
from .names import Place
from .properties import MAX_TAGS
from .session import HandlerSession

# The largest page of the service (ListModels, ListTags).
PAGE_SIZE = 100


class SageMaker:
    """The models of a region and account, for one request; `place` is that region and account."""

    def __init__(self, session: HandlerSession, region: str, account: str | None) -> None:
        self._client = session.client("sagemaker", region_name=region)
        self._session = session
        self.place = Place(self._client.meta.partition, region, account)

    def create_model(self, request: Mapping[str, Any]) -> str:
        """Create a model, and return its ARN."""
        return self._call("create_model", request)["ModelArn"]  # type: ignore[no-any-return]

    def describe_model(self, model_name: str) -> dict[str, Any]:
        """Return the service's description of a model."""
        return self._call("describe_model", {"ModelName": model_name})

    def delete_model(self, model_name: str) -> None:
        """Delete a model."""
        self._call("delete_model", {"ModelName": model_name})

    def list_models(self, next_token: str | None) -> tuple[list[dict[str, Any]], str | None]:
        """Return one page of model summaries, and the token of the next."""
        position = {"NextToken": next_token} if next_token else {}
        page = self._call("list_models", {"MaxResults": PAGE_SIZE, **position})
        return page["Models"], page.get("NextToken")

    def list_tags(self, model_arn: str) -> dict[str, str]:
        """Return the tags of a model without those that AWS keeps for itself."""
        found: list[Any] = []
        request: dict[str, Any] = {"ResourceArn": model_arn}
        while True:
            page = self._call("list_tags", request)
            found += page.get("Tags", [])
            if not page.get("NextToken"):
                return tags.from_list(found)
            request["NextToken"] = page["NextToken"]

    def change_tags(self, model_arn: str, change: tags.Changes, current: tags.Tags) -> None:
        """Add, overwrite and remove tags of a model whose present tags are `current`.

        New tags are set before old tags are removed, because policies may look for a tag, and a key may change only
        its case. Old tags are removed first where the new ones would exceed the limit beside them.
        """
        is_crowded = len(current.keys() | change.set.keys()) > MAX_TAGS
        adding = "add_tags", "Tags", tags.to_list(change.set)
        removing = "delete_tags", "TagKeys", change.remove
        for method, member, changed in (removing, adding) if is_crowded else (adding, removing):
            if changed:
                self._call(method, {"ResourceArn": model_arn, member: changed})

    def _call(self, method: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self._session.lease.lost = 0
        try:
            return getattr(self._client, method)(**request)  # type: ignore[no-any-return]
        except errors.CALL_ERRORS as error:
            operation = self._client.meta.method_to_api_mapping[method]
            is_lost = self._session.lease.lost > 0
            raise errors.failure_of_call(error, operation, _string_values(request), is_lost=is_lost) from None


def answered_at(answer: Mapping[str, Any]) -> float | None:
    """Return the Date of an answer, by the service's clock, in whole epoch seconds; None without that header."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None


def _string_values(value: Any) -> Iterator[str]:
    """Yield every string value within a request."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for member in value:
            yield from _string_values(member)
    elif isinstance(value, str):
        yield value
