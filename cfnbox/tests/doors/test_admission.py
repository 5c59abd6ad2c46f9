"""Requests that are admitted: those of programs, to names of this machine, and of web pages that the user allows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.cloud import Cloud
from cfnbox.sagemaker.server import LocalSageMaker
from doors.conftest import EVIL, FORM, Door, create_stack, in_query, signed, stack_names, xml_error
from programs import running_cloud

if TYPE_CHECKING:
    from programs import RunningCloud

# Every kind of address that the cloud has: method, path, body, and the type of the body.
ADDRESSES = [
    pytest.param(
        "POST", f"/?{in_query('cloudformation')}", create_stack("by-page"), FORM, id="CreateStack by a form"
    ),
    pytest.param("POST", f"/?{in_query('cloudformation')}", create_stack("by-page"), "text/plain", id="as text"),
    pytest.param("POST", "/", create_stack("by-page"), FORM, id="unsigned form"),
    pytest.param("GET", f"/?{in_query('cloudformation')}&{create_stack('by-page')}", "", "", id="CreateStack by GET"),
    pytest.param("POST", f"/?{in_query('cloudcontrolapi')}", "{}", "text/plain", id="Cloud Control"),
    pytest.param("POST", f"/?{in_query('sagemaker')}", "{}", "text/plain", id="SageMaker"),
    pytest.param("PUT", f"/bucket?{in_query('s3')}", "", "", id="S3"),
    pytest.param("GET", "/bucket/page.html", "", "", id="object of S3"),
    pytest.param("GET", "/2015-03-31/functions/", "", "", id="Lambda"),
    pytest.param("POST", "/2015-03-31/functions/TypeFunction/invocations", "{}", "text/plain", id="TypeFunction"),
    pytest.param("POST", "/_local/reset", "null", "text/plain", id="control of SageMaker"),
    pytest.param("GET", "/_local/cloud", "", "", id="description of the cloud"),
    pytest.param("PUT", "/_callbacks/none", "{}", "", id="callback"),
    pytest.param("GET", "/_cfnbox/", "", "", id="console at the port of the services"),
    pytest.param("POST", "/_ministack/config", "{}", "text/plain", id="settings of ministack"),
    pytest.param("OPTIONS", "/", "", "", id="preflight"),
]
# What marks a request of a page that is not the server's own, or that went to a name which leads here.
PAGES = [
    pytest.param({"Origin": EVIL}, id="Origin"),
    pytest.param({"Origin": "null"}, id="Origin of a file or a sandbox"),
    pytest.param({"Origin": "http://localhost:3000"}, id="Origin of another port"),
    pytest.param({"Origin": "http://127.0.0.1"}, id="Origin without the port"),
    pytest.param({"Sec_Fetch_Site": "cross-site"}, id="Sec-Fetch-Site: cross-site"),
    pytest.param({"Sec_Fetch_Site": "same-site"}, id="Sec-Fetch-Site: same-site"),
    pytest.param({"Sec_Fetch_Site": "cross-site", "Referer": f"{EVIL}/page"}, id="with a Referer"),
    pytest.param({"Referer": f"{EVIL}/page"}, id="Referer alone, of an older browser"),
    pytest.param({"Host": "evil.example"}, id="Host"),
    pytest.param({"Host": "localhost.evil.example"}, id="Host that begins like this machine"),
    pytest.param({"Host": "127.0.0.1.evil.example:4566"}, id="Host that begins like an address"),
    pytest.param({"Host": "localhost@evil.example"}, id="Host with a user"),
    pytest.param({"Host": "192.168.1.1"}, id="Host that is no loopback address"),
]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("method", "path", "body", "kind"), ADDRESSES)
def test_a_request_of_a_foreign_page_is_refused(
    door: Door, method: str, path: str, body: str, kind: str, page: dict[str, str]
) -> None:
    reply = door.ask(method, path, body, **page, **({"Content_Type": kind} if kind else {}))

    assert reply.status == 403
    assert "AccessDenied" in reply.body
    assert [name for name in reply.headers if name.startswith("access-control-")] == []


def test_refused_requests_have_no_effect(cloud: RunningCloud, door: Door) -> None:
    for method, path, body, kind in (address.values for address in ADDRESSES):
        door.ask(str(method), str(path), str(body), Origin=EVIL, Content_Type=str(kind))

    assert "by-page" not in stack_names(cloud)
    assert [bucket["Name"] for bucket in cloud.client("s3").list_buckets()["Buckets"]] == []


def test_a_refusal_has_the_format_of_the_protocol(door: Door) -> None:
    message = (
        "A web page of http://evil.example caused this request. To allow its pages everything that the local cloud "
        "can do, code on this machine included, start it with --allow-origin http://evil.example."
    )
    query = door.ask(
        "POST", "/", "Action=ListStacks", Authorization=signed("cloudformation"), Content_Type=FORM, Origin=EVIL
    )
    assert query.body.startswith("<ErrorResponse><Error><Type>Sender</Type>")
    assert xml_error(query.body) == ("AccessDenied", message)

    target = {"X_Amz_Target": "SageMaker.ListModels", "Authorization": signed("sagemaker")}
    assert json.loads(door.ask("POST", "/", "{}", **target, Origin=EVIL).body) == {
        "__type": "AccessDenied",
        "message": message,
    }

    s3 = door.ask("GET", "/", Authorization=signed("s3"), Origin=EVIL)
    assert s3.body.startswith("<Error><Code>")
    assert xml_error(s3.body) == ("AccessDenied", message)


@pytest.mark.parametrize("path", ["", "invocations?properties=1", "console.js"])
@pytest.mark.parametrize("page", PAGES)
def test_the_console_refuses_requests_of_other_pages(console: Door, page: dict[str, str], path: str) -> None:
    reply = console.ask("GET", f"/_cfnbox/{path}", **page)
    assert reply.status == 403
    assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="neither header"),
        pytest.param({"Sec_Fetch_Site": "none"}, id="typed into a browser"),
        pytest.param({"Sec_Fetch_Site": "same-origin"}, id="own page"),
        pytest.param({"Host": "localhost"}, id="localhost"),
        pytest.param({"Host": "LOCALHOST.:1"}, id="localhost with a dot and a port"),
        pytest.param({"Host": "bucket.s3.localhost:4566"}, id="a name below localhost"),
        pytest.param({"Host": "127.1.2.3"}, id="another loopback address"),
        pytest.param({"Host": "[::1]:4566"}, id="the loopback address of IPv6"),
    ],
)
def test_requests_of_programs_and_own_pages_are_admitted(door: Door, console: Door, headers: dict[str, str]) -> None:
    form = {"Authorization": signed("cloudformation"), "Content_Type": FORM}
    assert door.ask("POST", "/", "Action=ListStacks", **form, **headers).status == 200
    assert console.ask("GET", "/_cfnbox/", **headers).status == 200


def test_the_own_origin_is_admitted(door: Door) -> None:
    form = {"Authorization": signed("cloudformation"), "Content_Type": FORM}
    reply = door.ask(
        "POST", "/", "Action=ListStacks", **form, Origin=f"http://{door.host}", Sec_Fetch_Site="same-origin"
    )
    assert reply.status == 200


def test_a_standalone_local_sagemaker_refuses_pages() -> None:
    with LocalSageMaker() as sagemaker:
        door = Door(sagemaker.url)
        for page in ({"Origin": EVIL}, {"Host": "evil.example"}, {"Sec_Fetch_Site": "cross-site"}):
            reply = door.ask("POST", "/_local/reset", "null", **page)
            assert (reply.status, json.loads(reply.body)["__type"]) == (403, "AccessDeniedException")
        assert door.ask("POST", "/_local/reset", "null").status == 200


def test_objects_of_s3_are_served_with_a_sandbox_policy(cloud: RunningCloud, door: Door) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="pages")
    s3.put_object(Bucket="pages", Key="x.html", Body=b"<script>1</script>", ContentType="text/html")
    try:
        policy = door.ask("GET", "/pages/x.html").headers["content-security-policy"]
    finally:
        s3.delete_object(Bucket="pages", Key="x.html")
        s3.delete_bucket(Bucket="pages")
    assert policy.startswith("sandbox ")
    assert "allow-same-origin" not in policy


def test_allowed_origins_and_hosts_are_admitted() -> None:
    front = "http://localhost:3000"
    with running_cloud("--allow-origin", front, "--allow-host", "host.docker.internal") as cloud:
        door, form = Door(cloud.url), {"Authorization": signed("cloudformation"), "Content_Type": FORM}
        listed = door.ask("POST", "/", "Action=ListStacks", **form, Origin=front, Sec_Fetch_Site="same-site")
        preflight = door.ask(
            "OPTIONS", "/", Origin=front, Access_Control_Request_Method="POST",
            Access_Control_Request_Headers="authorization,x-amz-target",
        )  # fmt: skip
        image = door.ask("GET", "/", Authorization=signed("s3"), Sec_Fetch_Site="same-site", Referer=f"{front}/page")
        container = door.ask("POST", "/", "Action=ListStacks", **form, Host="host.docker.internal:4566")
        others = [
            door.ask("POST", "/", "Action=ListStacks", **form, **page).status
            for page in ({"Origin": EVIL}, {"Host": "evil.example"}, {"Origin": front, "Host": "evil.example"})
        ]

    assert (listed.status, listed.headers["access-control-allow-origin"]) == (200, front)
    assert preflight.status == 204
    assert {name: value for name, value in preflight.headers.items() if name.startswith("access-control-")} == {
        "access-control-allow-origin": front,
        "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": "authorization,x-amz-target",
        "access-control-expose-headers": "*",
    }
    assert image.status == 200
    assert container.status == 200
    assert others == [403, 403, 403]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"allow_origins": ["localhost:3000"]}, "localhost:3000 is not an origin: give scheme, host and port"),
        ({"allow_origins": ["*"]}, r"\* is not an origin"),
        ({"allow_origins": ["http://localhost:3000/"]}, "http://localhost:3000/ is not an origin"),
        (
            {"allow_hosts": ["http://cloud.example"]},
            "http://cloud.example is not a host name: give it",
        ),
        ({"allow_hosts": ["cloud.example:4566"]}, "cloud.example:4566 is not a host name"),
    ],
)
def test_an_invalid_origin_or_host_is_refused_with_its_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Cloud(**options)
