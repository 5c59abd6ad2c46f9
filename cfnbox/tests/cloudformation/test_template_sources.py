"""Templates and snippets in S3, and how CloudFormation refuses missing objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.aws.http import HttpServer
from cfnbox.cloudformation.template_sources import TemplateSources
from cloudformation.conftest import template, text, thing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudformation.conftest import Control, User

OBJECTS = {"/bucket/template": text(template(A=thing(Name="a"))), "/bucket/snippet": '{"Name": "included"}'}


def s3(environ: Any, start_response: Any) -> list[bytes]:
    """Serve the objects of one bucket by path, and the two errors of S3 for anything else."""
    path = environ["PATH_INFO"]
    if path in OBJECTS:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [OBJECTS[path].encode()]
    code = "NoSuchKey" if path.startswith("/bucket/") else "NoSuchBucket"
    start_response("404 Not Found", [("Content-Type", "application/xml")])
    return [f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode()]


@pytest.fixture(autouse=True)
def sources(control: Control) -> Iterator[None]:
    server = HttpServer(s3)
    control.sources = TemplateSources(server.url)
    yield
    server.close()


@pytest.mark.parametrize("host", ["bucket.s3.us-east-1.amazonaws.com", "s3.amazonaws.com/bucket"])
def test_a_template_url_can_have_any_style_of_s3(user: User, host: str) -> None:
    user.client.create_stack(StackName="s", TemplateURL=f"https://{host}/template")
    assert user.rest("s")["StackStatus"] == "CREATE_COMPLETE"


@pytest.mark.parametrize(("url", "sentence"), [
    ("https://example.com/template", "TemplateURL must be a supported URL."),
    ("s3://bucket/template", "S3 error: Domain name specified in bucket is not a valid S3 domain"),
])  # fmt: skip
def test_a_template_url_without_an_s3_object_is_refused(user: User, url: str, sentence: str) -> None:
    for operation, request in (
        ("create_stack", {"StackName": "s"}),
        ("create_change_set", {"StackName": "s", "ChangeSetName": "c", "ChangeSetType": "CREATE"}),
        ("get_template_summary", {}),
        ("validate_template", {}),
    ):
        assert user.refused(operation, TemplateURL=url, **request) == ("ValidationError", sentence)
    assert user.client.describe_stacks()["Stacks"] == []


def including(location: str) -> dict[str, Any]:
    snippet = {"Name": "AWS::Include", "Parameters": {"Location": location}}
    return template(A={"Type": "Acme::Store::Thing", "Properties": {"Fn::Transform": snippet}})


def test_aws_include_inserts_a_snippet_of_s3(user: User, control: Control) -> None:
    user.create("s", including("s3://bucket/snippet"), Capabilities=["CAPABILITY_AUTO_EXPAND"])
    assert control.things.things["thing-1"]["Name"] == "included"


@pytest.mark.parametrize(("location", "reason"), [
    ("s3://none/snippet", "S3 bucket [none] does not exist."),
    ("s3://bucket/none", "The S3 object s3://bucket/none does not exist."),
])  # fmt: skip
def test_a_missing_snippet_fails_the_change_set(user: User, location: str, reason: str) -> None:
    answer = user.change_set("s", including(location), ChangeSetType="CREATE")
    assert answer["Status"] == "FAILED"
    assert answer["StatusReason"] == f"Transform AWS::Include failed with: {reason}"
