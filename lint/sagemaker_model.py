"""cfn-lint rules for SageMaker models under any type name: `cfn-lint TEMPLATE -a lint/`.

What a template must hold is said once, in `aws_sagemaker_model`: its schema and its validation. Here both are laid
over a template, in which intrinsic functions stand for what is not known yet.
"""

import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path as File
from typing import Any, NamedTuple

# cfn-lint makes a rule of every rule class that it finds among a module's names, so such classes stay in theirs.
import cfnlint.rules
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER as _SCHEMAS

_SOURCE = File(__file__).resolve().parent.parent / "src"
if _SOURCE.is_dir():  # in a clone; an installation has the package on the path
    sys.path.insert(0, str(_SOURCE))

from aws_sagemaker_model import schema, validation  # noqa: E402
from aws_sagemaker_model.properties import SCHEMA, Path  # noqa: E402
from aws_sagemaker_model.schema import Violation  # noqa: E402
from aws_sagemaker_model.validation import UNKNOWN  # noqa: E402

Place = list[str | int]
Properties = Mapping[str, Any]

_DOCUMENTATION = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html"
_ABSENT = object()
# 2 to the power of this many outcomes are looked at; with more conditions, what depends on them is unknown.
_MAX_CONDITIONS = 6


class Outcome(NamedTuple):
    """The properties that a resource has in one outcome of the template's conditions."""

    properties: dict[str, Any]
    places: dict[Path, Place]

    def place(self, path: Path) -> Place:
        """Return where a property stands in the template, or would stand: its nearest parent."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]


class ModelRules(cfnlint.rules.CloudFormationLintRule):
    """Everything in validation.py, and the advice below, on every resource that is a SageMaker model."""

    id = "E9360"
    shortdesc = "A SageMaker model keeps the rules that its schema cannot say"
    description = "The rules that the type checks before it calls SageMaker, checked in the template"
    source_url = _DOCUMENTATION
    tags = ("resources", "sagemaker")

    def __init__(self) -> None:
        super().__init__()
        # Type names besides those that end in ::SageMaker::Model; with hyphens where colons cannot be written.
        self.config_definition = {"types": {"default": [], "type": "list", "itemtype": "string"}}

    def initialize(self, cfn: Any) -> None:
        """Make cfn-lint know the types of the template: it then checks their properties and attributes by itself."""
        used = {str(resource.get("Type")) for resource in cfn.get_resources().values()}
        with tempfile.TemporaryDirectory() as directory:
            for number, type_name in enumerate(filter(self._is_model, used)):
                (File(directory) / f"{number}.json").write_text(json.dumps(_schema_of(type_name)))
            _SCHEMAS.load_registry_schemas(directory)
        _SCHEMAS.get_resource_schemas_by_regions = self._schemas_by_regions
        # They remember what they answered for the template before.
        _SCHEMAS.get_resource_types.cache_clear()
        _SCHEMAS.get_resource_schema.cache_clear()
        _SCHEMAS.get_type_getatts.cache_clear()

    def match(self, cfn: Any) -> list[Any]:
        """Return what is found, each under its own id."""
        found: dict[tuple[Any, ...], Any] = {}
        for name, resource in cfn.get_resources().items():
            if not self._is_model(str(resource.get("Type"))):
                continue
            for outcome in _outcomes(cfn, name, resource):
                for rule_id, violation in _findings(cfn, outcome):
                    place = outcome.place(violation.path)
                    rule = self.child_rules.get(rule_id, self)
                    match = cfnlint.rules.RuleMatch(place, str(violation), rule=rule)
                    found.setdefault((rule_id, *place, violation.message), match)
        return list(found.values())

    def _schemas_by_regions(self, type_name: str, regions: list[str]) -> Iterator[tuple[list[str], Any]]:
        """Return what cfn-lint would, and the schema of a model where it has none.

        It knows a registered type outside the AWS namespace, but since 1.43.0 not here, where its rules ask.
        """
        found = list(type(_SCHEMAS).get_resource_schemas_by_regions(_SCHEMAS, type_name, regions))
        yield from found
        if not found and self._is_model(type_name):
            yield regions, _SCHEMAS.get_resource_schema(regions[0], type_name)

    def _is_model(self, type_name: str) -> bool:
        names = {type_name, type_name.replace("::", "-")}
        return type_name.endswith("::SageMaker::Model") or not names.isdisjoint(self.config["types"])


class _ModelRule(cfnlint.rules.CloudFormationLintRule):
    """A rule that ModelRules applies; it has an id of its own so that it can be ignored alone."""

    source_url = _DOCUMENTATION
    tags = ("resources", "sagemaker")

    def __init__(self) -> None:
        super().__init__()
        self.parent_rules = [ModelRules.id]


class ArchiveSuffix(_ModelRule):
    """SageMaker wants an archive, whatever it is called; every other name is a sign of something else."""

    id = "W9361"
    shortdesc = "ModelDataUrl of a single model ends in .tar.gz"
    description = "ModelDataUrl names one gzip-compressed tar archive; other artifacts need a ModelDataSource"


class FixedName(_ModelRule):
    """Every change but one of tags replaces the model, and the new one comes before the old one goes."""

    id = "W9362"
    shortdesc = "ModelName is not fixed"
    description = "A model with a fixed name cannot be replaced, and every change but one of tags replaces it"


class PlainSecret(_ModelRule):
    """DescribeModel returns the environment of the containers to anybody who may call it."""

    id = "W9363"
    shortdesc = "Environment holds no secret"
    description = "Anybody who may describe the model can read its Environment: pass the name of a secret instead"


class SpecificationWithoutPackage(_ModelRule):
    """SageMaker documents the name as one within a package, and has been seen to accept it without."""

    id = "W9364"
    shortdesc = "InferenceSpecificationName comes with ModelPackageName"
    description = "InferenceSpecificationName chooses among the specifications of a model package"


_FIXED_NAME = (
    "is fixed, so every change but one of tags fails: it replaces the model, and the new one cannot have the name "
    "of the old one. Leave it out, or let it come from a parameter that you change as well"
)


def _schema_of(type_name: str) -> dict[str, Any]:
    return {
        **SCHEMA,
        "typeName": type_name,
        "additionalProperties": False,
        "primaryIdentifier": ["/properties/ModelArn"],
    }


def _findings(cfn: Any, outcome: Outcome) -> Iterator[tuple[str, Violation]]:
    properties, _ = schema.coerce(outcome.properties)
    for violation in (*validation.violations(properties), *validation.read_only(properties)):
        yield ModelRules.id, violation
    for path, container in validation.containers(properties):
        for rule_id, advise in _CONTAINER_ADVICE.items():
            yield from ((rule_id, violation) for violation in advise(path, container))
        yield from ((PlainSecret.id, violation) for violation in _exposed_secrets(cfn, outcome, path, container))
    name = ("ModelName",)
    if name in outcome.places and _is_fixed(_at(cfn, outcome.places[name])):
        yield FixedName.id, Violation(name, _FIXED_NAME)


def _archive_suffix(path: Path, container: Properties) -> Iterator[Violation]:
    url = container.get("ModelDataUrl")
    if isinstance(url, str) and container.get("Mode", "SingleModel") == "SingleModel" and not url.endswith(".tar.gz"):
        yield Violation(
            (*path, "ModelDataUrl"),
            "should end in .tar.gz, a gzip-compressed tar archive: use ModelDataSource for any other artifact",
        )


def _specification_without_package(path: Path, container: Properties) -> Iterator[Violation]:
    if container.get("InferenceSpecificationName") is not None and container.get("ModelPackageName") is None:
        yield Violation(
            (*path, "InferenceSpecificationName"), "should come with the ModelPackageName whose specification it is"
        )


_CONTAINER_ADVICE = {
    ArchiveSuffix.id: _archive_suffix,
    SpecificationWithoutPackage.id: _specification_without_package,
}


_SECRET_NAME = re.compile(
    r"(?<!bos)(?<!eos)(?<!pad)(?<!unk)(?<!sep)(?<!cls)(?<!mask)"  # special tokens of a language model
    r"(^|_)(password|passwd|passphrase|secret|token|credentials?|(api|access|private|secret|signing|encryption)_?key)$"
)
_SECRET_VALUE = re.compile(r"(AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_\w{30,}|hf_\w{30,}|-----BEGIN [A-Z ]*PRIVATE KEY-----")
# A secret has none of these values: a place where a secret lies, a switch, or nothing.
_NO_SECRET = re.compile(r"(arn:|/|s3://|https?://).*|true|false|none|", re.DOTALL | re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{([^}]*)\}")  # of Fn::Sub
_RESOLVED_SECRET = re.compile(r"\{\{resolve:(secretsmanager|ssm-secure):")


def _exposed_secrets(cfn: Any, outcome: Outcome, path: Path, container: Properties) -> Iterator[Violation]:
    environment = container.get("Environment")
    for key, value in environment.items() if isinstance(environment, Mapping) else ():
        place = (*path, "Environment", key)
        if value is UNKNOWN:
            exposed = _yields_secret(cfn, _at(cfn, outcome.places[place]))
        else:
            exposed = isinstance(value, str) and _looks_like_secret(key, value)
        if exposed:
            yield Violation(
                place,
                "looks like a secret, which anybody who may describe the model can read: keep it in AWS Secrets "
                "Manager, pass its name, and let the container fetch it",
            )


def _looks_like_secret(key: str, value: str) -> bool:
    snake_case = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()
    named_so = _SECRET_NAME.search(snake_case) and not _NO_SECRET.fullmatch(value)
    return bool(named_so or _SECRET_VALUE.search(value))


def _yields_secret(cfn: Any, function: Any) -> bool:
    """Say whether a string or function of the template becomes a secret's value when the stack is deployed."""
    if isinstance(function, list):
        return any(_yields_secret(cfn, item) for item in function)
    if isinstance(function, dict):
        return _is_secret(cfn, function.get("Ref")) or _yields_secret(cfn, list(function.values()))
    return isinstance(function, str) and (
        _RESOLVED_SECRET.search(function) is not None
        or any(_is_secret(cfn, variable) for variable in _VARIABLE.findall(function))
    )


def _is_secret(cfn: Any, parameter: Any) -> bool:
    definition = cfn.get_parameters_valid().get(parameter, {}) if isinstance(parameter, str) else {}
    return str(definition.get("NoEcho")).lower() == "true"


def _is_fixed(name: Any) -> bool:
    """Say whether a name stays the same for as long as a stack lives: it depends on pseudo parameters at most."""
    match name:
        case str() | int():
            return "{{resolve:" not in str(name)
        case {"Ref": str(reference)}:
            return reference.startswith("AWS::")
        case {"Fn::Sub": str(text)}:
            return all(variable.startswith(("AWS::", "!")) for variable in _VARIABLE.findall(text))
        case {"Fn::Join": [_, [*parts]]}:
            return all(map(_is_fixed, parts))
    return False


def _outcomes(cfn: Any, name: str, resource: Properties) -> Iterator[Outcome]:
    """Yield the properties of a resource in each outcome of the conditions that they depend on."""
    stated = resource.get("Properties")
    properties = stated if isinstance(stated, dict) else {}
    known = set(cfn.template.get("Conditions") or ())
    conditions = {condition: {True, False} for condition in _conditions(properties) if condition in known}
    if len(conditions) > _MAX_CONDITIONS:
        conditions = {}
    if conditions and str(resource.get("Condition")) in known:
        conditions[str(resource["Condition"])] = {True}
    for scenario in cfn.conditions.build_scenarios(conditions) if conditions else [{}]:
        places: dict[Path, Place] = {}
        yield Outcome(_resolved(properties, (), ["Resources", name, "Properties"], scenario, places), places)


def _conditions(value: Any) -> set[str]:
    """Return the names of the conditions on which parts of a value depend."""
    if isinstance(value, list):
        return set().union(*map(_conditions, value))
    if not isinstance(value, dict):
        return set()
    own = {value["Fn::If"][0]} if _is_condition(value) else set()
    return own.union(*map(_conditions, value.values()))


def _is_condition(value: dict[str, Any]) -> bool:
    match value:
        case {"Fn::If": [str(), _, _]}:
            return True
    return False


def _resolved(value: Any, path: Path, place: Place, scenario: Mapping[str, bool], places: dict[Path, Place]) -> Any:
    """Return a value of the template as JSON: chosen where a condition decides, UNKNOWN where a function stands.

    Enters into `places` where each part of it stands.
    """
    if isinstance(value, dict) and _is_condition(value) and value["Fn::If"][0] in scenario:
        arm = 1 if scenario[value["Fn::If"][0]] else 2
        return _resolved(value["Fn::If"][arm], path, [*place, "Fn::If", arm], scenario, places)
    if value == {"Ref": "AWS::NoValue"}:
        return _ABSENT
    places[path] = place
    if isinstance(value, dict):
        if any(key == "Ref" or str(key).startswith("Fn::") for key in value):
            return UNKNOWN
        members = {
            str(key): _resolved(member, (*path, str(key)), [*place, key], scenario, places)
            for key, member in value.items()
        }
        return {key: member for key, member in members.items() if member is not _ABSENT}
    if isinstance(value, list):
        items: list[Any] = []
        for position, item in enumerate(value):
            resolved = _resolved(item, (*path, len(items)), [*place, position], scenario, places)
            items += [resolved] if resolved is not _ABSENT else []
        return items
    return UNKNOWN if isinstance(value, str) and "{{resolve:" in value else value


def _at(cfn: Any, place: Place) -> Any:
    value = cfn.template
    for step in place:
        value = value[step]
    return value
