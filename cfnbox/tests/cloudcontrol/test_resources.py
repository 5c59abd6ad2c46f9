"""Resources: checks before a handler is called, and the answers of each operation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.core.place import Place
from cfnbox.providers.protocol import ResourceFailed
from cloudcontrol.conftest import BOOK, Library
from cloudcontrol.fake_provider import FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable


def changes(library: Library) -> list[str]:
    return [action for action, _ in library.provider.calls if action in ("CREATE", "UPDATE", "DELETE")]


@pytest.mark.parametrize("state", ["{", "[]", "null", '"Emma"', "{'Title': 'Emma'}"])
def test_a_state_that_is_not_a_json_object_is_refused(library: Library, state: str) -> None:
    library.refused("InvalidRequestException", library.client.create_resource, TypeName=BOOK, DesiredState=state)
    assert changes(library) == []


@pytest.mark.parametrize(
    "properties",
    [
        {"Nonsense": 1},
        {},
        {"Title": ["Emma"]},
        {"Title": "x" * 21},
        {"Title": "Emma", "Isbn": "mine"},
        {"title": "Emma"},
    ],
)
def test_properties_that_violate_the_schema_are_refused_before_the_handler(library: Library, properties: Any) -> None:
    asked = {"TypeName": BOOK, "DesiredState": json.dumps(properties)}
    text = library.refused("ValidationException", library.client.create_resource, **asked)
    assert text.startswith("Model validation failed (#")
    assert changes(library) == []
    assert library.client.list_resource_requests()["ResourceRequestStatusSummaries"] == []


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("create_resource", {"DesiredState": "{}"}),
        ("get_resource", {"Identifier": "x"}),
        ("update_resource", {"Identifier": "x", "PatchDocument": "[]"}),
        ("delete_resource", {"Identifier": "x"}),
        ("list_resources", {}),
    ],
)
def test_an_unknown_type_is_not_found(library: Library, operation: str, more: Any) -> None:
    call = getattr(library.client, operation)
    text = library.refused("TypeNotFoundException", call, TypeName="Example::Library::Film", **more)
    assert text == "The type 'Example::Library::Film' cannot be found."


def test_an_operation_without_a_handler_is_refused(open_library: Callable[[FakeProvider], Library]) -> None:
    library = open_library(FakeProvider(handlers={"create": {"permissions": []}, "delete": {"permissions": []}}))
    asked = {"TypeName": BOOK, "Identifier": library.create()}
    client = library.client
    for action, call, more in (
        ("READ", client.get_resource, asked),
        ("UPDATE", client.update_resource, {**asked, "PatchDocument": "[]"}),
        ("LIST", client.list_resources, {"TypeName": BOOK}),
    ):
        text = library.refused("UnsupportedActionException", call, **more)
        assert text == f"Resource type {BOOK} does not support {action} action"


def test_an_update_patches_the_current_properties(library: Library) -> None:
    isbn = library.create("Emma", Note="worn", Author={"Name": "Jane", "Born": 1775}, Pin="1234")
    ended = library.ended(
        library.patch(
            isbn,
            {"op": "test", "path": "/Note", "value": "worn"},
            {"op": "replace", "path": "/Note", "value": "new"},
            {"op": "copy", "from": "/Author/Name", "path": "/Shelf"},
            {"op": "remove", "path": "/Author/Name"},
        )
    )
    assert ended["OperationStatus"] == "SUCCESS"
    now = {"Title": "Emma", "Isbn": isbn, "Note": "new", "Shelf": "Jane", "Author": {"Born": 1775}}
    assert json.loads(ended["ResourceModel"]) == library.get(isbn) == now
    (told,) = [told for action, told in library.provider.calls if action == "UPDATE"]
    # The handler gets the states without read-only properties; a write-only one is there when the patch has it.
    assert told["previous"] == {"Title": "Emma", "Note": "worn", "Author": {"Name": "Jane", "Born": 1775}}
    assert told["desired"] == {"Title": "Emma", "Note": "new", "Shelf": "Jane", "Author": {"Born": 1775}}


@pytest.mark.parametrize(
    "document",
    [
        "{", "{}", "[1]", '[{"op": "add"}]', '[{"op": "grow", "path": "/Note", "value": 1}]',
        '[{"op": "remove", "path": "/Note"}]', '[{"op": "replace", "path": "/Note/Deep", "value": 1}]',
        '[{"op": "add", "path": "Note", "value": "secret"}]', '[{"op": "add", "path": "/Note"}]',
        '[{"op": "test", "path": "/Title", "value": "secret"}]', '[{"op": "replace", "path": "", "value": [1]}]',
        '[{"op": "move", "from": "/Nowhere", "path": "/Note"}]', '[{"op": 1, "path": 2}]',
        '[{"op": "remove", "path": "/Author/0"}]', "[" * 100_000, '[{"op": "test", "path": "/Title"}]',
    ],
)  # fmt: skip
def test_an_invalid_patch_is_refused(library: Library, document: str) -> None:
    asked = {"TypeName": BOOK, "Identifier": library.create(), "PatchDocument": document}
    text = library.refused("InvalidRequestException", library.client.update_resource, **asked)
    assert text.startswith("The patch document is not valid: ")
    assert "secret" not in text
    assert "Emma" not in text
    assert changes(library) == ["CREATE"]


def test_a_patch_that_copies_a_list_into_itself_is_refused(library: Library) -> None:
    isbn = library.create()
    operations = [
        {"op": "add", "path": "/Notes", "value": ["x" * 100]},
        *({"op": "copy", "from": "/Notes", "path": "/Notes/-"} for _ in range(30)),
    ]
    text = library.refused("InvalidRequestException", library.patch, isbn, *operations)
    assert text == (
        "The patch document is not valid: operation 13, copy /Notes/-, makes the properties larger than the limit "
        "of 262144 characters."
    )
    assert changes(library) == ["CREATE"]


def test_create_only_and_read_only_properties_are_not_updatable(library: Library) -> None:
    isbn = library.create("Emma", Author={"Name": "Jane", "Born": 1775})
    patch = library.patch
    text = library.refused("NotUpdatableException", patch, isbn, {"op": "replace", "path": "/Title", "value": "New"})
    assert text == "Invalid patch update: createOnlyProperties [/properties/Title] cannot be updated"
    text = library.refused("NotUpdatableException", patch, isbn, {"op": "remove", "path": "/Author"})
    assert text == "Invalid patch update: createOnlyProperties [/properties/Author/Born] cannot be updated"
    text = library.refused("ValidationException", patch, isbn, {"op": "replace", "path": "/Isbn", "value": "mine"})
    assert text == "Invalid patch update: readOnlyProperties [/properties/Isbn] cannot be updated"
    # As they are, they may stand in a patch.
    ended = library.ended(patch(isbn, {"op": "replace", "path": "/Title", "value": "Emma"}))
    assert ended["OperationStatus"] == "SUCCESS"
    assert changes(library) == ["CREATE", "UPDATE"]


def test_a_patched_state_is_validated(library: Library) -> None:
    isbn = library.create()
    text = library.refused("ValidationException", library.patch, isbn, {"op": "add", "path": "/Nope", "value": 1})
    assert text.startswith("Model validation failed (#")
    assert changes(library) == ["CREATE"]


def test_operations_on_a_missing_resource_are_refused(library: Library) -> None:
    asked = {"TypeName": BOOK, "Identifier": "isbn-0"}
    text = library.refused("ResourceNotFoundException", library.client.get_resource, **asked)
    assert text == f"{BOOK} Handler returned status FAILED: The book does not exist."
    library.refused("ResourceNotFoundException", library.patch, "isbn-0", {"op": "remove", "path": "/Note"})
    ended = library.ended(library.client.delete_resource(**asked)["ProgressEvent"])
    assert (ended["OperationStatus"], ended["ErrorCode"]) == ("FAILED", "NotFound")


def test_a_deleted_resource_is_not_found(library: Library) -> None:
    isbn = library.create("Emma", Note="worn")
    ended = library.ended(library.client.delete_resource(TypeName=BOOK, Identifier=isbn)["ProgressEvent"])
    assert (ended["OperationStatus"], ended["Identifier"]) == ("SUCCESS", isbn)
    assert "ResourceModel" not in ended
    library.refused("ResourceNotFoundException", library.get, isbn)
    # A delete handler may count on the identifier alone.
    assert ("DELETE", {}) in library.provider.calls


@pytest.mark.parametrize(
    ("code", "exception"),
    [
        ("NotUpdatable", "NotUpdatableException"),
        ("InvalidRequest", "InvalidRequestException"),
        ("AccessDenied", "AccessDeniedException"),
        ("InvalidCredentials", "InvalidCredentialsException"),
        ("AlreadyExists", "AlreadyExistsException"),
        ("NotFound", "ResourceNotFoundException"),
        ("ResourceConflict", "ResourceConflictException"),
        ("Throttling", "ThrottlingException"),
        ("ServiceLimitExceeded", "ServiceLimitExceededException"),
        ("NotStabilized", "NotStabilizedException"),
        ("GeneralServiceException", "GeneralServiceException"),
        ("ServiceInternalError", "ServiceInternalErrorException"),
        ("NetworkFailure", "NetworkFailureException"),
        ("InternalFailure", "HandlerInternalFailureException"),
        ("ServiceTimeout", "HandlerFailureException"),
        ("UnsupportedAction", "UnsupportedActionException"),
    ],
)
def test_each_handler_error_code_is_an_exception_of_a_read(library: Library, code: Any, exception: str) -> None:
    library.provider.failure = ResourceFailed("No.", code)
    library.refused(exception, library.get, "isbn-1")
    library.refused(exception, library.client.list_resources, TypeName=BOOK)


def test_resources_are_listed_in_pages(library: Library) -> None:
    made = [library.create(f"Volume {number}", Shelf="A" if number else "B") for number in range(5)]
    pages = [
        page["ResourceDescriptions"]
        for page in library.client.get_paginator("list_resources").paginate(TypeName=BOOK)
    ]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [one["Identifier"] for page in pages for one in page] == made
    on_b = library.client.list_resources(TypeName=BOOK, ResourceModel='{"Shelf": "B"}')["ResourceDescriptions"]
    assert [one["Identifier"] for one in on_b] == made[:1]
    library.refused("InvalidRequestException", library.client.list_resources, TypeName=BOOK, ResourceModel="B")


def test_a_list_without_its_required_parent_is_refused(open_library: Callable[[FakeProvider], Library]) -> None:
    handlers = {"list": {"permissions": [], "handlerSchema": {"properties": {}, "required": ["Shelf"]}}}
    library = open_library(FakeProvider(handlers=handlers))
    text = library.refused("InvalidRequestException", library.client.list_resources, TypeName=BOOK)
    assert text == (
        f"Missing or invalid ResourceModel property in {BOOK} list handler request input."
        "Required property: (#: required key [Shelf] not found)"
    )


def test_a_resource_is_found_by_any_of_its_identifiers(library: Library) -> None:
    made = [library.create(f"Volume {number}") for number in range(4)]
    assert library.get(json.dumps({"Isbn": made[3]}))["Title"] == "Volume 3"
    assert library.get('{"Title": "Volume 2"}')["Isbn"] == made[2]
    library.refused("ResourceNotFoundException", library.get, '{"Title": "Volume 9"}')
    for nonsense in ('{"Note": "x"}', "{}", '{"Isbn": "x", "Title": "y"}'):
        assert "Isbn or Title" in library.refused("ValidationException", library.get, nonsense)


def test_stacks_and_cloud_control_share_resources(library: Library) -> None:
    place = Place("us-east-1")
    library.provider.books[place] = {"isbn-of-stack": {"Isbn": "isbn-of-stack", "Title": "Sanditon"}}
    assert library.get("isbn-of-stack")["Title"] == "Sanditon"
    made = library.create()
    assert made in library.provider.books[place]


def test_resources_belong_to_a_region_and_account(library: Library) -> None:
    isbn = library.create()
    for client in (library.connect("eu-west-1"), library.connect(account="999999999999")):
        library.refused("ResourceNotFoundException", client.get_resource, TypeName=BOOK, Identifier=isbn)
        assert client.list_resources(TypeName=BOOK)["ResourceDescriptions"] == []


def test_a_request_is_served_by_the_version_that_it_names(library: Library) -> None:
    library.older["00000001"] = FakeProvider()
    asked = {"TypeName": BOOK, "DesiredState": '{"Title": "Emma"}', "RoleArn": "arn:aws:iam::123456789012:role/any"}
    event = library.client.create_resource(**asked, TypeVersionId="00000001")["ProgressEvent"]
    assert library.ended(event)["OperationStatus"] == "SUCCESS"
    assert (len(library.older["00000001"].calls), library.provider.calls) == (1, [])
    text = library.refused("TypeNotFoundException", library.client.create_resource, **asked, TypeVersionId="00000009")
    assert "00000009" in text


def test_an_unreadable_resource_can_be_deleted_by_its_identifier(library: Library) -> None:
    isbn = library.create()
    library.provider.unreadable = ResourceFailed("It cannot be read.", "UnsupportedAction")
    ended = library.ended(library.client.delete_resource(TypeName=BOOK, Identifier=isbn)["ProgressEvent"])
    assert ended["OperationStatus"] == "SUCCESS"
    library.provider.unreadable = None
    library.refused("ResourceNotFoundException", library.get, isbn)
