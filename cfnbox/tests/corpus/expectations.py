"""What becomes of every template of the corpus: deployed, given a new image, deleted; or refused, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent
ROLE = {"RoleArn": "arn:aws:iam::123456789012:role/execution"}
EXECUTION_ROLE = {"ExecutionRoleArn": ROLE["RoleArn"]}
SAGEMAKER_ROLE = {"SageMakerRoleArn": ROLE["RoleArn"]}

# Every image of the corpus has this tag, unless its row says otherwise.
NEW_IMAGE = (("1.7-1", "1.9-1"),)
CHAIN = ("Model", "EndpointConfig")

CONFIGURATION_TAKEN = "Cannot create already existing endpoint configuration"


@dataclass(frozen=True)
class Expected:
    """A template, what it is given, and what an update with a new image does.

    `replaced` resources get a new physical id, `updated` ones keep theirs. `update_fails` is in the reason for which
    the update is rolled back; `refused` is what CreateStack answers, `fails` why the stack is rolled back.
    """

    template: str
    parameters: dict[str, str] = field(default_factory=dict)
    replaced: tuple[str, ...] = CHAIN
    updated: tuple[str, ...] = ("Endpoint",)
    change: tuple[tuple[str, str], ...] = NEW_IMAGE
    outputs: dict[str, str] = field(default_factory=dict)
    update_fails: str = ""
    refused: str = ""
    fails: str = ""

    def __str__(self) -> str:
        return Path(self.template).stem

    @property
    def body(self) -> str:
        """The template."""
        return (FOLDER / self.template).read_text()

    @property
    def changed_body(self) -> str:
        """The template with the new image."""
        body = self.body
        for old, new in self.change:
            assert old in body, f"{self.template} does not hold {old}"
            body = body.replace(old, new)
        return body


_CDK_CHAIN = ("Model89AE5C8C", "EndpointConfigFD7B6F91")
_TIMESTAMP = ("1730000000001", "1730000000002")

DEPLOYED = (
    Expected("realtime.yaml", EXECUTION_ROLE),
    Expected("fixed-names.yaml", ROLE, ("Model", "Config"), change=(*NEW_IMAGE, ("Default: 1}", "Default: 2}"))),
    Expected("fixed-config-name.yaml", ROLE, update_fails=CONFIGURATION_TAKEN),
    Expected("role.yaml"),
    Expected("role-and-policy.yaml"),
    Expected("role-and-managed-policy.yaml"),
    Expected("environment-if.yaml", ROLE),
    Expected("environment-if.yaml", ROLE | {"Debug": "yes"}),
    Expected("environment-scalars.yaml", ROLE),
    Expected("multi-model-https.yaml", ROLE),
    Expected("huggingface.yaml", ROLE, change=(("2.4.0-tgi3.0.1", "2.6.0-tgi3.2.0"),)),
    Expected("uncompressed.yaml"),
    Expected("serverless.yaml", ROLE, ("SageMakerModel", "SageMakerEndpointConfig"), ("SageMakerEndpoint",)),
    Expected("async.yaml"),
    Expected("async-autoscaling.yaml", ROLE),
    Expected("autoscaling.yaml"),
    Expected("shadow.yaml", ROLE, ("Model", "ShadowModel", "EndpointConfig")),
    Expected("data-capture.yaml"),
    Expected("monitoring.yaml"),
    Expected("without-model-name.yaml", replaced=("Model",), updated=()),
    Expected("models-only.yaml", ROLE, replaced=("BatchModel",), updated=()),
    Expected("config-only.yaml", ROLE, updated=()),
    Expected("kms.yaml"),
    Expected("ssm-image.yaml", change=(("/ml/churn/image", "/ml/churn/next-image"),)),
    Expected("blue-green.yaml", ROLE),
    Expected("api-lambda.yaml", SAGEMAKER_ROLE),
    Expected("api-direct.yaml", SAGEMAKER_ROLE),
    Expected("custom-artifact.yaml", ROLE),
    Expected("custom-suffix.yaml", ROLE),
    Expected("custom-check.yaml", ROLE, outputs={"Status": "InService"}),
    Expected("sam-app.yaml", SAGEMAKER_ROLE),
    Expected("sam-schedule.yaml", SAGEMAKER_ROLE),
    Expected("training-pipeline.yaml", replaced=("Model",), updated=()),
    Expected("deploy-pipeline.json", {"ModelExecutionRoleArn": ROLE["RoleArn"]}),
    Expected("cdk-endpoint.json", replaced=_CDK_CHAIN, updated=("Endpoint8024A810",)),
    Expected("cdk-llm.json"),
    Expected("cdk-autoscaling.json"),
    Expected("cdk-containers.json"),
    Expected("cdk-vpc.json"),
    Expected("cdk-timestamp.json", change=(*NEW_IMAGE, _TIMESTAMP)),
    Expected("cdk-variants.json", replaced=("ModelA", "ModelB", "ModelC", "EndpointConfig")),
)

FAULTY = (
    Expected("faulty-one-name.yaml", ROLE, fails="A model of this name exists already."),
    Expected(
        "faulty-no-role.yaml",
        refused="Template format error: Unresolved resource dependencies [SageMakerRole] in the Resources block of "
        "the template",
    ),
)

# What other teams have published where the templates look for it.
SSM_PARAMETERS = {
    "/ml/churn/image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",
    "/ml/churn/next-image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.9-1",
    "/ml/execution-role": ROLE["RoleArn"],
    "/network/private-subnets": "subnet-0a1b2c3d4e5f60718,subnet-1a1b2c3d4e5f60718",
}


def templates() -> Counter[str]:
    """Every template of the corpus and how often the tables name it."""
    return Counter(one.template for one in (*DEPLOYED, *FAULTY))
