"""The rules as rules of cfn-lint."""

import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from aws_sagemaker_model import properties
from lint_sagemaker_model.all_rules import ALL_RULES
from lint_sagemaker_model.rule import Rule, findings
from lint_sagemaker_model.template import AWS_TYPE, Template

# The rule that applies the others: cfn-lint tells it which of them the user ignores.
_APPLYING = "E9360"
# The regions of cfn-lint when the user names none.
_DEFAULT_REGIONS = ["us-east-1"]


class ModelRule(CloudFormationLintRule):
    """A rule of this package under its ID."""

    rule: type[Rule]
    source_url = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html"
    tags = ("resources", "sagemaker")

    def __init__(self) -> None:
        super().__init__()
        if self.id != _APPLYING:
            self.parent_rules = [_APPLYING]


class ApplyingRule(ModelRule):
    """The rule that applies all others which the user does not ignore."""

    def __init__(self) -> None:
        super().__init__()
        # Further names of the type, with hyphens for colons where colons cannot be written.
        self.config_definition = {"types": {"default": [], "type": "list", "itemtype": "string"}}

    def initialize(self, cfn: Any) -> None:
        """Register the schema for each type of the template that is this type and that cfn-lint does not know."""
        template = self._template(cfn)
        types = {resource["Type"] for resource in template.resources.values()}
        for name in filter(template.is_ours, types):
            _register(name, cfn.regions)

    def match(self, cfn: Any) -> list[RuleMatch]:
        """Return the findings, each under the ID of its rule."""
        by_id = {_APPLYING: self, **{rule.id: rule for rule in self.child_rules.values() if rule}}
        rules = [rule() for rule in ALL_RULES if rule.id in by_id]
        return [
            RuleMatch(finding.place, finding.message, rule=by_id[finding.rule_id])
            for finding in findings(self._template(cfn), rules)
        ]

    def _template(self, cfn: Any) -> Template:
        has_regions = cfn.regions != _DEFAULT_REGIONS or _user_names_regions()
        return Template(cfn.template, frozenset(cfn.regions if has_regions else ()), frozenset(self.config["types"]))


def _user_names_regions() -> bool:
    """Say whether the command line or the environment names regions: cfn-lint does not tell it to rules."""
    named = any(argument in ("-r", "--regions") or argument.startswith("--regions=") for argument in sys.argv)
    return named or not os.environ.keys().isdisjoint({"AWS_REGION", "AWS_DEFAULT_REGION"})


def _register(type_name: str, regions: list[str]) -> None:
    """Register the schema for a type, as `--registry-schemas` does.

    A schema that the user has registered stays. AWS's own type gets the schema of this repository, because the user
    has said that the type is meant. cfn-lint then accepts the type. Since version 1.43 it checks neither properties
    nor attributes of registered types, so E9370 and E9376 do.
    """
    is_known = any(type_name in PROVIDER_SCHEMA_MANAGER.get_resource_types(region) for region in regions)
    if is_known and (type_name != AWS_TYPE or _has_our_schema(type_name, regions[0])):
        return
    with TemporaryDirectory() as folder:
        schema = {**properties.SCHEMA, "typeName": type_name}
        (Path(folder) / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
        PROVIDER_SCHEMA_MANAGER.load_registry_schemas(folder)
    # Forget the cached answers of before.
    PROVIDER_SCHEMA_MANAGER.reset()


def _has_our_schema(type_name: str, region: str) -> bool:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, type_name).schema
    return bool(schema["properties"].keys() == properties.SCHEMA["properties"].keys())


def _as_cfn_lint_rule(rule: type[Rule]) -> type[ModelRule]:
    base = ApplyingRule if rule.id == _APPLYING else ModelRule
    members = {"id": rule.id, "shortdesc": rule.shortdesc, "description": rule.description, "rule": rule}
    return type(rule.__name__, (base,), members)


# cfn-lint loads the classes of a module whose base is its own class of rules.
globals().update({rule.__name__: _as_cfn_lint_rule(rule) for rule in ALL_RULES})
