"""Faults on demand: which call meets which fault, and what the answer to it is.

A rule is a JSON object: {"operation": "CreateModel", "fault": NAME, "times": n, "after": k, "seconds": s}.
`operation` left out means every operation; `times` left out means for ever; `after` calls pass first;
`seconds` is how long the fault lasts from the first call that meets it. For "stall" it is the length of the
silence, and for the delays after a create the time since that create.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Json = dict[str, Any]


class BadRule(ValueError):
    """A fault rule that is not valid; the message says which and why."""


class When(Enum):
    """The effect of a fault on a call."""

    ERROR = "answers an error instead of acting"
    DROP_BEFORE = "resets the connection before acting"
    DROP_AFTER = "acts, then resets the connection"
    STALL = "acts, then keeps silent before it answers"
    TRUNCATE = "acts, then closes the connection in the middle of the answer"
    GARBLE = "acts, then answers well-formed HTTP with cut JSON"
    QUIRK = "acts, then answers in an odd way that the service has been seen to have"
    FAIL_LATER = "acts, and what it began ends in failure: an endpoint that never comes into service"
    NOT_YET = "says a model is missing that was just created"
    NO_TAGS_YET = "lists no tags of a model that was just created"


@dataclass(frozen=True)
class Fault:
    """A kind of fault. `status`, `code` and `message` are those of an error answer."""

    when: When
    status: int = 0
    code: str = ""
    message: str = ""


def _refusal(message: str) -> Fault:
    return Fault(When.ERROR, 400, "ValidationException", message)


# Names in braces are filled from the request that meets the fault. The texts are recorded from the real
# service, except where a line says otherwise.
FAULTS: dict[str, Fault] = {
    "throttling": Fault(When.ERROR, 400, "ThrottlingException", "Rate exceeded"),
    # Code and text of the next: "Making API requests", common error responses of AWS.
    "request-timeout": Fault(
        When.ERROR,
        400,
        "RequestTimeoutException",
        "Your socket connection to the server was not read from or written to within the timeout period.",
    ),
    # An answer of a load balancer on the way, which has no JSON.
    "too-many-requests": Fault(When.ERROR, 429),
    # Codes and texts of the next two: SageMaker API reference, "Common Errors".
    "internal-error": Fault(
        When.ERROR,
        500,
        "InternalFailure",
        "The request processing has failed because of an unknown error, exception or failure.",
    ),
    "unavailable": Fault(
        When.ERROR,
        503,
        "ServiceUnavailable",
        "The request has failed due to a temporary failure of the server.",
    ),
    "reset-before": Fault(When.DROP_BEFORE),
    "reset-after": Fault(When.DROP_AFTER),
    "stall": Fault(When.STALL),
    "truncated": Fault(When.TRUNCATE),
    "garbled": Fault(When.GARBLE),
    "expired-credentials": Fault(
        When.ERROR, 400, "ExpiredTokenException", "The security token included in the request is expired"
    ),
    "access-denied": Fault(
        When.ERROR,
        400,
        "AccessDeniedException",
        "User: arn:aws:sts::{account}:assumed-role/execution/session is not authorized to perform: "
        "{action} on resource: {resource}",
    ),
    "iam-race-role": _refusal(
        'The execution role ARN "{role}" is invalid. Please ensure that the role exists and that its trust '
        'relationship policy allows the action "sts:AssumeRole" for the service principal '
        '"sagemaker.amazonaws.com".'
    ),
    "iam-race-data": _refusal(
        'Could not access model data at {url}. Please ensure that the role "{role}" exists and that its '
        'trust relationship policy allows the action "sts:AssumeRole" for the service principal '
        '"sagemaker.amazonaws.com". Also ensure that the role has "s3:GetObject" permissions and that the '
        "object is located in {region}."
    ),
    # aws-samples/generative-ai-sagemaker-cdk-demo#2
    "iam-race-image": _refusal("The role '{role}' does not have BatchGetImage permission for the image: '{image}'."),
    # aws/deep-learning-containers#5657
    "iam-race-repository": _refusal(
        "The repository of your image {image} does not grant ecr:GetDownloadUrlForLayer, ecr:BatchGetImage, "
        "ecr:BatchCheckLayerAvailability permission to sagemaker.amazonaws.com service principal."
    ),
    "iam-race-role-older": _refusal(
        "Could not assume role {role}. Please ensure that the role exists and allows principal "
        "'sagemaker.amazonaws.com' to assume the role."
    ),
    # A FailureReason of DescribeEndpoint, as public logs of failed deployments show it.
    "deployment-fails": Fault(
        When.FAIL_LATER,
        message="The primary container for production variant AllTraffic did not pass the ping health check. "
        "Please check CloudWatch logs for this endpoint.",
    ),
    "empty-members": Fault(When.QUIRK),
    "lower-case-arns": Fault(When.QUIRK),
    "read-after-create-delay": Fault(When.NOT_YET),
    "tags-after-create-delay": Fault(When.NO_TAGS_YET),
    # The text is the documentation of this error in botocore's service model.
    "limit-exceeded": Fault(
        When.ERROR,
        400,
        "ResourceLimitExceeded",
        "You have exceeded an SageMaker resource limit. For example, you might have too many training jobs created.",
    ),
    "artifact-missing": _refusal("Could not find model data at {url}."),
    # aws/sagemaker-python-sdk, its tests of lineage queries.
    "package-missing": _refusal("Could not find model package {package}"),
    "image-missing": _refusal("Requested image {image} not found."),
    "oci-image": _refusal(
        "Unsupported manifest media type application/vnd.oci.image.manifest.v1+json for image {image}"
    ),
    "not-subscribed": _refusal("Caller is not subscribed to the marketplace offering."),
    "eula": _refusal(
        "The AcceptEula value must be explicitly defined as True in order to accept the end-user license "
        'agreement (EULA) that this "{url}" model requires.'
    ),
}

READS_OF_A_MODEL = ("DescribeModel", "ListTags")


@dataclass
class Rule:
    """One rule; `seen` calls matched so far, `met` of them met the fault, the first of those at `began`."""

    fault: str
    operation: str | None = None
    times: int | None = None
    after: int = 0
    seconds: float | None = None
    seen: int = 0
    met: int = 0
    began: float | None = None

    @property
    def kind(self) -> Fault:
        """Return the fault of the rule."""
        return FAULTS[self.fault]

    @classmethod
    def from_json(cls, rule: object) -> Rule:
        """Parse a rule. Raise BadRule."""
        if not isinstance(rule, dict):
            raise BadRule(f"a fault rule is a JSON object, not {type(rule).__name__}")
        if strange := sorted(map(str, rule.keys() - {"operation", "fault", "times", "after", "seconds"})):
            raise BadRule(f"unknown members in a fault rule: {', '.join(strange)}")
        if rule.get("fault") not in FAULTS:
            raise BadRule(f"unknown fault {rule.get('fault')!r}; known are: {', '.join(FAULTS)}")
        for name, kinds in (("times", int), ("after", int), ("seconds", int | float)):
            value = rule.get(name)
            if value is not None and (not isinstance(value, kinds) or isinstance(value, bool) or value < 0):
                raise BadRule(f"{name} in a fault rule is a number of at least 0, or null")
        made = cls(**{name: value for name, value in rule.items() if value is not None})
        if made.kind.when is When.STALL and made.seconds is None:
            raise BadRule("the fault stall needs seconds")
        return made

    def takes(self, operation: str, now: float, created: float | None) -> bool:
        """Return whether a call meets the fault, and count it. `created` is when its model was created, if known."""
        if not self._concerns(operation, now, created):
            return False
        self.seen += 1
        if self.seen <= self.after or (self.times is not None and self.met >= self.times):
            return False
        if self.began is None:
            self.began = now
        if self._lasts_from_first_call and self.seconds is not None and now - self.began >= self.seconds:
            return False
        self.met += 1
        return True

    @property
    def _lasts_from_first_call(self) -> bool:
        return self.kind.when not in (When.STALL, When.NOT_YET, When.NO_TAGS_YET)

    def _concerns(self, operation: str, now: float, created: float | None) -> bool:
        if self.operation not in (None, operation):
            return False
        if self.kind.when not in (When.NOT_YET, When.NO_TAGS_YET):
            return True
        reads = READS_OF_A_MODEL if self.kind.when is When.NOT_YET else ("ListTags",)
        if created is None or operation not in reads:
            return False
        return self.seconds is None or now - created < self.seconds


@dataclass
class Faults:
    """The active rules; the first match applies. Thread-safe. `clock` returns the time in seconds."""

    rules: list[Rule] = field(default_factory=list)
    created: dict[str, float] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def replace(self, rules: Iterable[object]) -> None:
        """Replace the rules. Raise BadRule without a change if a rule is not valid."""
        made = [Rule.from_json(rule) for rule in rules]
        with self._lock:
            self.rules = made

    def inject(self, operation: str | None, fault: str, **limits: float | None) -> None:
        """Add a rule; `limits` are times, after and seconds. Raise BadRule."""
        rule = Rule.from_json({"operation": operation, "fault": fault, **limits})
        with self._lock:
            self.rules.append(rule)

    def clear(self) -> None:
        """Remove all rules and all creation times."""
        with self._lock:
            self.rules = []
            self.created = {}

    def note_create(self, model_name: str) -> None:
        """Record the creation time of a model, for the faults that delay reads."""
        with self._lock:
            self.created[model_name] = self.clock()

    def meet(self, operation: str, request: Mapping[str, Any]) -> Rule | None:
        """Return the first rule that matches a call, and count the call; None if no rule matches."""
        if not self.rules:
            return None
        name = str(request.get("ModelName") or request.get("ResourceArn")).rpartition("/")[2]
        now = self.clock()
        with self._lock:
            created = self.created.get(name)
            return next((rule for rule in self.rules if rule.takes(operation, now, created)), None)


def error_message(fault: Fault, operation: str, request: Mapping[str, Any], account: str, region: str) -> str:
    """Return the message of an error fault, with its placeholders filled from the request."""
    arn = f"arn:aws:sagemaker:{region}:{account}:model/{request.get('ModelName', '*')}"
    found = {
        "role": _first(request, "ExecutionRoleArn") or f"arn:aws:iam::{account}:role/execution",
        "image": _first(request, "Image") or f"{account}.dkr.ecr.{region}.amazonaws.com/image:1",
        "package": _first(request, "ModelPackageName") or f"arn:aws:sagemaker:{region}:{account}:model-package/p/1",
        "url": _first(request, "ModelDataUrl") or _first(request, "S3Uri") or "s3://bucket/model.tar.gz",
        "resource": request.get("ResourceArn", arn),
    }
    return fault.message.format(action=f"sagemaker:{operation}", account=account, region=region, **found)


def _first(value: object, name: str) -> object:
    """Return the first member of this name at any depth of a request."""
    if isinstance(value, dict):
        return value.get(name) or next((found for v in value.values() if (found := _first(v, name))), None)
    if isinstance(value, list):
        return next((found for v in value if (found := _first(v, name))), None)
    return None
