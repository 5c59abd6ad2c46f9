"""The rules of a model that its schema does not express; SageMaker's API reference documents each.

Properties are the resource model as JSON. `UNKNOWN` stands for a value that is not known yet, such as an intrinsic
function in a template: a rule reports only what is wrong for every value that could stand there. The module imports
only Python's own modules, so that linters of templates can use it. Pure.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import tags
from .properties import MAX_TAGS, MODEL, READ_ONLY, UNKNOWN, Path
from .schema import Violation

# "The maximum size of all environment variables of a model is 32 KB" (API reference, ContainerDefinition).
MAX_ENVIRONMENT_BYTES = 32 * 1024

Properties = Mapping[str, Any]
Rule = Callable[[Properties], Iterator[Violation]]


# A repository of Amazon ECR by its host: 123456789012.dkr.ecr.us-east-1.amazonaws.com, with `-fips` after `ecr`, and
# 123456789012.dkr-ecr.us-east-1.on.aws, which answers IPv4 and IPv6 ("Amazon ECR endpoints and quotas" of the AWS
# General Reference; "Making requests over IPv6" of the ECR user guide). The suffixes are those of the partitions in
# botocore's endpoints.json; dual-stack hosts of China and the European Sovereign Cloud are below amazonwebservices.
_ECR_IMAGE = re.compile(
    r"\d{12}\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z]{2,}(?:-[a-z0-9]+){2,})\."
    r"(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|on\.aws|on\.amazonwebservices\.(?:com\.cn|eu)"
    r"|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)/.+",
    re.DOTALL,
)


def violations(properties: Properties) -> list[Violation]:
    """Return every rule that a model breaks."""
    return [violation for rule in RULES for violation in rule(properties)]


def read_only(properties: Properties) -> list[Violation]:
    """Return a violation for each read-only property that is set."""
    stated = [name for name in READ_ONLY if not _lacks(properties, name)]
    return [Violation((name,), "is read-only: leave it out; SageMaker sets it") for name in stated]


def violations_on_create(
    properties: Properties,
    schema_violations: list[Violation],
    stack_tags: tags.Tags,
    region: str,
    *,
    is_first_attempt: bool,
) -> list[Violation]:
    """Return every rule that a new model and the tags of its stack break, in the region of the stack.

    On a re-invocation the properties are our own IN_PROGRESS answer, which contains read-only ones.
    """
    writable = [found for found in schema_violations if found.path[:1] not in [(name,) for name in READ_ONLY]]
    return [
        *(read_only(properties) if is_first_attempt else []),
        *writable,
        *violations(properties),
        *_image_regions(properties, region),
        *_stack_tag_rules(stack_tags, properties),
    ]


def violations_on_update(
    properties: Properties, schema_violations: list[Violation], stack_tags: tags.Tags
) -> list[Violation]:
    """Return every rule that the desired tags of a model break, because an update changes nothing else.

    A property that the schema lacks is a violation as well, because SageMaker cannot have returned it.
    """
    returned = {(name,) for name in MODEL["properties"] if name != "Tags"}
    relevant = [violation for violation in schema_violations if violation.path[:1] not in returned]
    return [*relevant, *_tag_rules(properties), *_stack_tag_rules(stack_tags, properties)]


def ecr_region(image: str) -> str | None:
    """Return the region of an image in Amazon ECR, None for an image of any other registry."""
    found = _ECR_IMAGE.fullmatch(image)
    return found["region"] if found else None


def is_in_private_registry(container: Properties) -> bool:
    """Say whether SageMaker pulls the image of a container from a registry inside the VPC of the model."""
    return _mapping(container, "ImageConfig").get("RepositoryAccessMode") in ("Vpc", UNKNOWN)


def containers(model: Properties) -> Iterator[tuple[Path, Properties]]:
    """Yield each container of a model with its path, in PrimaryContainer and in Containers."""
    if isinstance(model.get("PrimaryContainer"), Mapping):
        yield ("PrimaryContainer",), model["PrimaryContainer"]
    for position, container in enumerate(_list(model, "Containers")):
        if isinstance(container, Mapping):
            yield ("Containers", position), container


def mirrors_model_data_url(container: Properties) -> bool:
    """Say whether the ModelDataSource of a container is the one that SageMaker derives from its ModelDataUrl."""
    derived = {"S3Uri": container.get("ModelDataUrl"), "S3DataType": "S3Object", "CompressionType": "Gzip"}
    return container.get("ModelDataSource") == {"S3DataSource": derived}


def _containers_or_primary_container(model: Properties) -> Iterator[Violation]:
    values = (model.get(name) for name in ("PrimaryContainer", "Containers"))
    lacks_primary, lacks_pipeline = (None if value is UNKNOWN else not value for value in values)
    if lacks_primary is lacks_pipeline is False:
        yield Violation((), "has both PrimaryContainer and Containers: give exactly one of the two")
    elif lacks_primary is lacks_pipeline is True:
        yield Violation((), "has neither PrimaryContainer nor Containers: give exactly one of the two")
    for path, container in containers(model):
        if container == {} and path != ("PrimaryContainer",):
            yield Violation(path, "is empty: give an Image or a ModelPackageName")


def _environment_size(model: Properties) -> Iterator[Violation]:
    pairs = [pair for _, container in containers(model) for pair in _mapping(container, "Environment").items()]
    texts = [text for pair in pairs for text in pair if isinstance(text, str)]
    if sum(len(text.encode(errors="surrogatepass")) for text in texts) > MAX_ENVIRONMENT_BYTES:
        path = ("PrimaryContainer", "Environment") if _has(model, "PrimaryContainer") else ("Containers",)
        message = f"must hold at most {MAX_ENVIRONMENT_BYTES} bytes of keys and values, all containers together"
        yield Violation(path, message)


def _one_multi_model_container(model: Properties) -> Iterator[Violation]:
    multi = [path for path, container in containers(model) if container.get("Mode") == "MultiModel"]
    for path in multi[1:]:
        yield Violation((*path, "Mode"), "must be SingleModel: only one container of a model may be MultiModel")


def _hostnames(model: Properties) -> Iterator[Violation]:
    listed = [
        ((*path, "ContainerHostname"), container.get("ContainerHostname")) for path, container in containers(model)
    ]
    named = [(path, hostname) for path, hostname in listed if isinstance(hostname, str)]
    is_direct = _mapping(model, "InferenceExecutionConfig").get("Mode") == "Direct"
    if is_direct or (named and len(listed) > 1):
        because = "InferenceExecutionConfig.Mode is Direct" if is_direct else "other containers have one"
        for path in (path for path, hostname in listed if hostname is None):
            yield Violation(path, f"must be given, because {because}")
    counts = Counter(hostname for _, hostname in named)
    for path in (path for path, hostname in named if counts[hostname] > 1):
        yield Violation(path, "must be unique among the containers")


def _data_sources(model: Properties) -> Iterator[Violation]:
    for container_path, container in containers(model):
        for path, source in _s3_data_sources(container_path, container):
            uri, kind = source.get("S3Uri"), source.get("S3DataType")
            if kind == "S3Prefix" and isinstance(uri, str) and not uri.endswith("/"):
                yield Violation((*path, "S3Uri"), "must end in / because S3DataType is S3Prefix")
            if kind == "S3Prefix" and source.get("CompressionType") == "Gzip":
                yield Violation((*path, "CompressionType"), "must be None because S3DataType is S3Prefix")


def _multi_model_data_source(model: Properties) -> Iterator[Violation]:
    for path, container in containers(model):
        # A read returns a data source that mirrors ModelDataUrl, and a create from a read must work.
        may_mirror = mirrors_model_data_url(container) or _has_unknown(container.get("ModelDataUrl"))
        is_known = _mapping(container, "ModelDataSource") and not _has_unknown(container["ModelDataSource"])
        if container.get("Mode") == "MultiModel" and is_known and not may_mirror:
            message = "must be left out because Mode is MultiModel: use ModelDataUrl"
            yield Violation((*path, "ModelDataSource"), message)


def _private_registry(model: Properties) -> Iterator[Violation]:
    for container_path, container in containers(model):
        path, config = (*container_path, "ImageConfig"), _mapping(container, "ImageConfig")
        mode = config.get("RepositoryAccessMode")
        if mode == "Platform" and _has(config, "RepositoryAuthConfig"):
            message = "must be left out unless RepositoryAccessMode is Vpc"
            yield Violation((*path, "RepositoryAuthConfig"), message)
        if mode == "Vpc" and _lacks(model, "VpcConfig"):
            yield Violation((*path, "RepositoryAccessMode"), "must be Platform unless the model has a VpcConfig")


def _package_excludes_artifacts(model: Properties) -> Iterator[Violation]:
    for path, container in containers(model):
        for name in ("Image", "ModelDataUrl"):
            if _has(container, "ModelPackageName") and _has(container, name):
                message = "must be left out because ModelPackageName is given, which holds it"
                yield Violation((*path, name), message)


def _tag_rules(model: Properties) -> Iterator[Violation]:
    listed = [tag if isinstance(tag, Mapping) else {} for tag in _list(model, "Tags")]
    counts = Counter(tag["Key"] for tag in listed if isinstance(tag.get("Key"), str))
    for position, tag in enumerate(listed):
        for part in (part for part in ("Key", "Value") if isinstance(tag.get(part), str)):
            for message in _tag_faults(part, tag[part]):
                yield Violation(("Tags", position, part), message)
        if isinstance(tag.get("Key"), str) and counts[tag["Key"]] > 1:
            yield Violation(("Tags", position, "Key"), "must be unique among the tags")


RULES: tuple[Rule, ...] = (
    _containers_or_primary_container, _environment_size, _one_multi_model_container, _hostnames, _data_sources,
    _multi_model_data_source, _private_registry, _package_excludes_artifacts, _tag_rules,
)  # fmt: skip


def _image_regions(model: Properties, region: str) -> Iterator[Violation]:
    """Yield the images of Amazon ECR in another region ("must be in the same region", ContainerDefinition$Image)."""
    for path, container in containers(model):
        image = container.get("Image")
        image_region = None if is_in_private_registry(container) or not isinstance(image, str) else ecr_region(image)
        if image_region not in (None, region):
            yield Violation(
                (*path, "Image"),
                f"must be in {region}, the region of the model: SageMaker does not pull images of Amazon ECR from "
                "another region. Push or replicate the image, and use ${AWS::Region} in its name",
            )


def _stack_tag_rules(stack_tags: tags.Tags, properties: Properties) -> Iterator[Violation]:
    """Yield the rules that the tags of the stack break, alone and together with the tags of the model."""
    for pair in stack_tags.items():
        for part, text in zip(("Key", "Value"), pair, strict=True):
            for message in _tag_faults(part, text):
                yield Violation(("Tags",), f"of the stack {message}")
    own = _list(properties, "Tags")
    if len(tags.from_list(own).keys() | stack_tags.keys()) > MAX_TAGS >= len(own):
        yield Violation(("Tags",), f"and the tags of the stack must be at most {MAX_TAGS} together")


def _tag_faults(part: str, text: str) -> Iterator[str]:
    """Yield what is wrong with the key or value of a tag (shapes TagKey and TagValue of the SageMaker API)."""
    if part == "Key" and tags.is_reserved(text):
        yield "must not have a key that begins with aws:, which AWS keeps for itself"
    if not all(unicodedata.category(character)[0] in "LZN" or character in "_.:/=+-@" for character in text):
        yield "must have only letters, digits, spaces and _ . : / = + - @"


def _s3_data_sources(path: Path, container: Properties) -> Iterator[tuple[Path, Properties]]:
    yield (*path, "ModelDataSource", "S3DataSource"), _mapping(_mapping(container, "ModelDataSource"), "S3DataSource")
    for position, source in enumerate(_list(container, "AdditionalModelDataSources")):
        if isinstance(source, Mapping):
            inner = (*path, "AdditionalModelDataSources", position, "S3DataSource")
            yield inner, _mapping(source, "S3DataSource")


def _has(properties: Properties, name: str) -> bool:
    """Say whether a property is set for every value of the unknown ones."""
    return not _lacks(properties, name) and properties[name] is not UNKNOWN


def _lacks(properties: Properties, name: str) -> bool:
    """Say whether a property is not set, or null."""
    return properties.get(name) is None


def _has_unknown(value: Any) -> bool:
    if isinstance(value, Mapping):
        value = list(value.values())
    return any(map(_has_unknown, value)) if isinstance(value, list) else value is UNKNOWN


def _mapping(properties: Properties, name: str) -> Properties:
    value = properties.get(name)
    return value if isinstance(value, Mapping) else {}


def _list(properties: Properties, name: str) -> list[Any]:
    value = properties.get(name)
    return value if isinstance(value, list) else []
