"""Import of existing resources into a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudformation.conftest import template, text, thing
from cloudformation.test_drift import detected

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User

KEPT = {"DeletionPolicy": "Retain"}


def existing(control: Control, identifier: str = "found", **properties: Any) -> None:
    """Add a resource that exists outside of every stack."""
    control.things.things[identifier] = {"Name": identifier, "Tags": [], **properties}


def adopting(*names: str, identifier: str = "found", kind: str = "Thing") -> list[dict[str, Any]]:
    return [
        {
            "ResourceType": f"Acme::Store::{kind}",
            "LogicalResourceId": name,
            "ResourceIdentifier": {"Id": identifier},
        }
        for name in names
    ]


def adopted(name: str = "found", **properties: Any) -> dict[str, Any]:
    return thing(Name=name, policies=KEPT, **properties)


def change_set(user: User, body: dict[str, Any], stack: str = "s", **options: Any) -> dict[str, Any]:
    options.setdefault("ResourcesToImport", adopting("M"))
    return user.change_set(stack, body, ChangeSetType="IMPORT", **options)


def test_resources_are_imported_into_a_new_stack(user: User, control: Control) -> None:
    existing(control, Value="1")
    made = change_set(user, template(M=adopted(Value="1")))
    assert (made["Status"], user.changes(made)) == ("CREATE_COMPLETE", {"M": "Import"})
    assert made["Changes"][0]["ResourceChange"]["PhysicalResourceId"] == "found"
    assert user.describe("s")["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert user.execute(made)["StackStatus"] == "IMPORT_COMPLETE"
    assert user.story("s") == [
        "REVIEW_IN_PROGRESS",
        "IMPORT_IN_PROGRESS",
        "M IMPORT_IN_PROGRESS found",
        "M IMPORT_COMPLETE found",
        "IMPORT_COMPLETE",
    ]
    assert control.things.calls == []
    assert detected(user)["StackDriftStatus"] == "IN_SYNC"
    # From here on it is the stack's.
    assert user.update("s", template(M=adopted(Value="2")))["StackStatus"] == "UPDATE_COMPLETE"
    assert control.things.things["found"]["Value"] == "2"


def test_resources_are_imported_into_an_existing_stack(user: User, control: Control) -> None:
    user.create("s", template(A=thing(Name="a")))
    existing(control)
    made = change_set(user, template(A=thing(Name="a"), M=adopted()))
    assert user.changes(made) == {"M": "Import"}
    assert user.execute(made)["StackStatus"] == "IMPORT_COMPLETE"
    assert user.resources("s").keys() == {"A", "M"}
    assert control.things.calls == [("create", "a")]
    assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"
    assert list(control.things.things) == ["found"]


def test_stack_tags_are_applied_by_an_update(user: User, control: Control) -> None:
    user.create("s", template(A=thing(Name="a")), Tags=[{"Key": "team", "Value": "a"}])
    existing(control)
    told = len(user.history("s"))
    assert (
        user.execute(change_set(user, template(A=thing(Name="a"), M=adopted())))["StackStatus"] == "IMPORT_COMPLETE"
    )
    assert control.things.things["found"]["Tags"] == [{"Key": "team", "Value": "a"}]
    events = [one for one in user.events("s")[told:] if one[0] == "M"]
    assert [one[1] for one in events] == [
        "IMPORT_IN_PROGRESS", "IMPORT_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]  # fmt: skip
    assert events[2][2] == "Apply stack-level tags to imported resource if applicable."
    assert detected(user)["StackDriftStatus"] == "IN_SYNC"


def test_invalid_imports_fail_the_change_set_with_a_reason(user: User, control: Control) -> None:
    """The change set is FAILED because CloudFormation checks the resources while it creates the change set."""
    existing(control)
    situations: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        (template(M=adopted()), {"ResourcesToImport": adopting("M", "Z")},
         "The logical resource ids [Z] provided in ResourceToImport do not exist in the template."),
        (template(M=adopted(), N=adopted()), {}, "Resources [N] is missing from ResourceToImport list"),
        (template(M=thing(Name="found")), {},
         "The following resources to import [M] must have DeletionPolicy attribute specified in the template."),
        (template(M=adopted()), {"ResourcesToImport": adopting("M", identifier="nothing")},
         "Resource of type 'Acme::Store::Thing' with identifier 'nothing' was not found."),
    ]  # fmt: skip
    for number, (body, options, sentence) in enumerate(situations):
        made = change_set(user, body, f"s{number}", **options)
        assert (made["Status"], made["StatusReason"]) == ("FAILED", sentence)
    other = [{**adopting("M")[0], "ResourceIdentifier": {"Name": "found"}}]
    made = change_set(user, template(M=adopted()), "t", ResourcesToImport=other)
    assert made["StatusReason"] == "Invalid resource identifier for resource type Acme::Store::Thing. Expected [Id]"
    assert control.things.calls == []


@pytest.mark.parametrize(("body", "sentence"), [
    ({**template(A=thing(Name="a"), M=adopted()), "Outputs": {"O": {"Value": "1"}}},
     "As part of the import operation, you cannot modify or add [Outputs]"),
    (template(A=thing(Name="a", Value="changed"), M=adopted()),
     "You have modified resources [A] in your template that are not being imported. Update, create or delete "
     "operations cannot be executed during import operations."),
    (template(M=adopted()),
     "You have modified resources [A] in your template that are not being imported. Update, create or delete "
     "operations cannot be executed during import operations."),
], ids=["outputs", "changed", "removed"])  # fmt: skip
def test_an_import_change_set_with_other_changes_fails(
    user: User, control: Control, body: dict[str, Any], sentence: str
) -> None:
    user.create("s", template(A=thing(Name="a")))
    existing(control)
    made = change_set(user, body)
    assert (made["Status"], made["StatusReason"]) == ("FAILED", sentence)
    assert user.describe("s")["StackStatus"] == "CREATE_COMPLETE"


def test_an_import_change_set_without_resources_to_import_is_refused(user: User) -> None:
    refusal = user.refused("create_change_set", StackName="s", ChangeSetName="c", TemplateBody=text(
        template(M=adopted())), ChangeSetType="IMPORT")  # fmt: skip
    assert refusal == ("ValidationError", "Must Provide at least one resource to import")


def test_a_resource_deleted_before_the_execution_fails_the_import(user: User, control: Control) -> None:
    user.create("s", template(A=thing(Name="a")))
    existing(control)
    made = change_set(user, template(A=thing(Name="a"), M=adopted()))
    del control.things.things["found"]
    assert user.execute(made)["StackStatus"] == "IMPORT_ROLLBACK_COMPLETE"
    assert ("M", "IMPORT_FAILED", "There is no such thing.") in user.events("s")
    assert user.resources("s").keys() == {"A"}
    assert user.client.get_template(StackName="s")["TemplateBody"] == template(A=thing(Name="a"))
    assert user.update("s", template(A=thing(Name="a", Value="2")))["StackStatus"] == "UPDATE_COMPLETE"


def test_a_new_stack_whose_import_fails_can_be_deleted(user: User, control: Control) -> None:
    existing(control)
    made = change_set(user, template(M=adopted()))
    control.things.orders.astonish["read", "found"] = ValueError("a secret")
    stack = user.execute(made)
    assert stack["StackStatus"] == "IMPORT_ROLLBACK_COMPLETE"
    assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"
    assert "found" in control.things.things


def test_a_resource_of_another_stack_is_not_imported(user: User, control: Control) -> None:
    user.create("owner", template(A=thing(Name="a")))
    made = change_set(user, template(M=adopted()), ResourcesToImport=adopting("M", identifier="thing-1"))
    owner = user.describe("owner")["StackId"]
    assert (made["Status"], made["StatusReason"]) == ("FAILED", f"thing-1 already exists in stack {owner}")


BY = {"the primary identifier": {"Id": "found"}, "an additional one": {"Name": "called"}}


@pytest.mark.parametrize("identifier", BY.values(), ids=BY)
def test_a_resource_is_imported_by_any_identifier_of_its_type(
    user: User, control: Control, identifier: dict[str, str]
) -> None:
    user.create("owner", template(A=thing(Name="a")))
    existing(control, Name="called")
    asked = [{"ResourceType": "Acme::Store::Alias", "LogicalResourceId": "M", "ResourceIdentifier": identifier}]
    made = change_set(user, template(M=thing("Alias", Name="called", policies=KEPT)), ResourcesToImport=asked)
    assert made["Changes"][0]["ResourceChange"]["PhysicalResourceId"] == "found"
    assert user.execute(made)["StackStatus"] == "IMPORT_COMPLETE"
    assert user.resources("s")["M"]["PhysicalResourceId"] == "found"


def test_an_additional_identifier_of_a_missing_resource_fails_the_change_set(user: User, control: Control) -> None:
    identifier = {"Name": "nothing"}
    asked = [{"ResourceType": "Acme::Store::Alias", "LogicalResourceId": "M", "ResourceIdentifier": identifier}]
    made = change_set(user, template(M=thing("Alias", Name="nothing", policies=KEPT)), ResourcesToImport=asked)
    sentence = "Resource of type 'Acme::Store::Alias' with identifier 'nothing' was not found."
    assert (made["Status"], made["StatusReason"]) == ("FAILED", sentence)


def test_a_failed_import_can_be_repeated(user: User, control: Control) -> None:
    existing(control)
    made = change_set(user, template(M=adopted()))
    del control.things.things["found"]
    assert user.execute(made)["StackStatus"] == "IMPORT_ROLLBACK_COMPLETE"
    existing(control)
    again = change_set(user, template(M=adopted()))
    assert (again["Status"], user.changes(again)) == ("CREATE_COMPLETE", {"M": "Import"})
    assert user.execute(again)["StackStatus"] == "IMPORT_COMPLETE"


def named(name: Any = "found", policy: str = "Retain", **more: Any) -> dict[str, Any]:
    return thing("Named", Name=name, policies={"DeletionPolicy": policy}, **more)


def test_existing_resources_are_imported_by_their_names(user: User, control: Control) -> None:
    """ImportExistingResources imports existing resources and creates or updates the others."""
    user.create("s", template(A=thing(Name="a", Value="1")), Tags=[{"Key": "team", "Value": "x"}])
    existing(control, Value="1")
    body = template(A=thing(Name="a", Value="2"), N=named(Value="1"), New=named("new"),
                    B=thing(Name="b", Value={"Fn::GetAtt": ["N", "Echo"]}))  # fmt: skip
    made = user.change_set("s", body, ImportExistingResources=True)
    assert user.changes(made) == {"A": "Modify False", "N": "Import", "New": "Add", "B": "Add"}
    assert made["ImportExistingResources"] is True
    assert user.execute(made)["StackStatus"] == "UPDATE_COMPLETE"
    assert [one[1] for one in user.events("s") if one[0] == "N"] == [
        "IMPORT_IN_PROGRESS", "IMPORT_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]  # fmt: skip
    assert user.resources("s")["N"]["PhysicalResourceId"] == "found"
    assert control.things.calls.count(("create", "found")) == 0
    assert control.things.things["found"]["Tags"] == [{"Key": "team", "Value": "x"}]
    assert control.things.things["thing-2"]["Value"] == "1"


def test_existing_resources_are_imported_into_a_new_stack(user: User, control: Control) -> None:
    existing(control)
    made = user.change_set("s", template(N=named()), ChangeSetType="CREATE", ImportExistingResources=True)
    assert user.execute(made)["StackStatus"] == "CREATE_COMPLETE"
    assert user.resources("s")["N"]["ResourceStatus"] == "IMPORT_COMPLETE"
    assert control.things.calls == []


def test_without_import_existing_resources_an_existing_name_fails_the_create(user: User, control: Control) -> None:
    existing(control)
    made = user.change_set("s", template(N=named()), ChangeSetType="CREATE", DisableValidation=True)
    assert user.changes(made) == {"N": "Add"}
    assert user.execute(made)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "found" in control.things.things


@pytest.mark.parametrize("policy", ["Retain", "RetainExceptOnCreate"])
@pytest.mark.parametrize("kind", ["CREATE", "UPDATE"])
def test_imported_resources_survive_a_rollback(user: User, control: Control, policy: str, kind: str) -> None:
    if kind == "UPDATE":
        user.create("s", template(A=thing(Name="a")))
    existing(control)
    control.things.orders.fail["create", "b"] = "before"
    body = template(A=thing(Name="a"), N=named(policy=policy), B=thing(Name="b", depends_on="N"))
    made = user.change_set("s", body, ChangeSetType=kind, ImportExistingResources=True)
    assert user.execute(made)["StackStatus"] == ("UPDATE_" if kind == "UPDATE" else "") + "ROLLBACK_COMPLETE"
    assert "found" in control.things.things
    # It belongs to no stack then.
    other = user.change_set("other", template(N=named()), ChangeSetType="CREATE", ImportExistingResources=True)
    assert user.changes(other) == {"N": "Import"}


def test_existing_resources_without_a_retaining_policy_are_not_imported(user: User, control: Control) -> None:
    existing(control)
    for policy in ("Delete", ""):
        resource = named(policy=policy) if policy else thing("Named", Name="found")
        made = user.change_set("s", template(N=resource), ChangeSetType="CREATE", ImportExistingResources=True)
        assert (made["Status"], made["StatusReason"]) == (
            "FAILED",
            "CloudFormation is attempting to import some resources because they already exist in your account. The "
            "resources must have the DeletionPolicy attribute set to 'Retain' or 'RetainExceptOnCreate' in the "
            "template for successful import. The affected resources are N ({Name=found})",
        )


def test_only_resources_with_a_literal_name_and_without_a_stack_are_imported(user: User, control: Control) -> None:
    user.create("owner", template(N=named()))
    body = {**template(N=named(), M=named({"Ref": "P"})), "Parameters": {"P": {"Type": "String", "Default": "p"}}}
    existing(control, "p")
    made = user.change_set("s", body, ChangeSetType="CREATE", ImportExistingResources=True, DisableValidation=True)
    assert user.changes(made) == {"N": "Add", "M": "Add"}


def test_a_resource_that_another_stack_imported_first_fails_the_import(user: User, control: Control) -> None:
    existing(control)
    first = change_set(user, template(M=adopted()), "first")
    second = change_set(user, template(M=adopted()), "second")
    assert user.execute(first)["StackStatus"] == "IMPORT_COMPLETE"
    assert user.execute(second)["StackStatus"] == "IMPORT_ROLLBACK_COMPLETE"
    owner = user.describe("first")["StackId"]
    assert ("M", "IMPORT_FAILED", f"found already exists in stack {owner}") in user.events("second")
    assert user.delete("second")["StackStatus"] == "DELETE_COMPLETE"
    assert (
        user.client.describe_stack_resources(PhysicalResourceId="found")["StackResources"][0]["StackName"] == "first"
    )
