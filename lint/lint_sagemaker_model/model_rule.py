"""What the rules for SageMaker models have in common."""

from collections.abc import Iterator
from typing import Any

from cfnlint.rules import CloudFormationLintRule

from aws_sagemaker_model.schema import Violation
from lint_sagemaker_model.template import Resource

# The rule that knows which resources are SageMaker models, and asks the others about them.
MODEL_RULES = "E9360"
# AWS's own type has a schema of its own, which cfn-lint brings. What SageMaker refuses holds for it as well.
AWS_TYPE = "AWS::SageMaker::Model"
Finding = tuple[Resource, Violation]


class ModelRule(CloudFormationLintRule):
    """A rule with an id of its own, so that it can be ignored alone; E9360 applies it."""

    source_url = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html"
    tags = ("resources", "sagemaker")

    def __init__(self) -> None:
        super().__init__()
        if self.id != MODEL_RULES:
            self.parent_rules = [MODEL_RULES]

    def in_model(self, model: Resource) -> Iterator[Violation]:  # noqa: ARG002 - rules that need it use it
        """Yield how a model breaks the rule in one outcome of the template's conditions."""
        yield from ()

    def in_template(self, cfn: Any, models: list[str]) -> Iterator[Finding]:  # noqa: ARG002 - as above
        """Yield how a template breaks the rule whose models have these logical ids."""
        yield from ()
