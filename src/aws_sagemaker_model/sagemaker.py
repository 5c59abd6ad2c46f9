"""The seven calls to SageMaker; every failure of theirs is a ServiceFailure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from . import tags
from .errors import CALL_ERRORS, translate

# The most that the service gives in one page (ListModels, ListTags).
PAGE_SIZE = 100


class Session(Protocol):
    """What makes clients: the session that the library passes to a handler."""

    def client(self, service: str, *, region_name: str | None) -> Any:
        """Return a client."""


class SageMaker:
    """SageMaker's models, as one request may see them."""

    def __init__(self, session: Session, region: str | None) -> None:
        self._client = session.client("sagemaker", region_name=region)

    def arn(self, account: str | None, model_name: str) -> str:
        """Return the ARN that a model has, or will have, in the region of this client."""
        meta = self._client.meta
        return f"arn:{meta.partition}:sagemaker:{meta.region_name}:{account}:model/{model_name}"

    def create_model(self, request: Mapping[str, Any]) -> None:
        """Create a model."""
        self._call(self._client.create_model, request)

    def describe_model(self, model_name: str) -> dict[str, Any]:
        """Return the service's description of a model."""
        return self._call(self._client.describe_model, {"ModelName": model_name})

    def delete_model(self, model_name: str) -> None:
        """Delete a model."""
        self._call(self._client.delete_model, {"ModelName": model_name})

    def list_models(self, next_token: str | None) -> tuple[list[dict[str, Any]], str | None]:
        """Return one page of model summaries, and the token of the next."""
        page = self._call(
            self._client.list_models,
            {"MaxResults": PAGE_SIZE, **({"NextToken": next_token} if next_token else {})},
        )
        return page["Models"], page.get("NextToken")

    def list_tags(self, model_arn: str) -> dict[str, str]:
        """Return all tags of a model but those that belong to AWS."""
        return tags.from_list(tag for page in self._tag_pages(model_arn) for tag in page)

    def add_tags(self, model_arn: str, added: tags.Tags) -> None:
        """Add tags to a model, or overwrite them."""
        self._call(self._client.add_tags, {"ResourceArn": model_arn, "Tags": tags.to_list(added)})

    def delete_tags(self, model_arn: str, keys: list[str]) -> None:
        """Remove tags from a model."""
        self._call(self._client.delete_tags, {"ResourceArn": model_arn, "TagKeys": keys})

    def _tag_pages(self, model_arn: str) -> Iterator[list[dict[str, str]]]:
        request: dict[str, Any] = {"ResourceArn": model_arn}
        while True:
            page = self._call(self._client.list_tags, request)
            yield page.get("Tags", [])
            if not page.get("NextToken"):
                return
            request["NextToken"] = page["NextToken"]

    def _call(self, operation: Callable[..., dict[str, Any]], request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return operation(**request)
        except CALL_ERRORS as error:
            name = self._client.meta.method_to_api_mapping[operation.__name__]
            raise translate(error, name, _leaves(request)) from None


def _leaves(value: Any) -> Iterator[str]:
    """Every property value within a request."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for member in value:
            yield from _leaves(member)
    elif isinstance(value, str):
        yield value
