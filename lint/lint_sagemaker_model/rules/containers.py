"""Rules for images and artifacts of containers."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from aws_sagemaker_model.properties import Path
from aws_sagemaker_model.schema import Violation
from aws_sagemaker_model.validation import containers, ecr_region, is_in_private_registry
from lint_sagemaker_model.rule import Rule
from lint_sagemaker_model.template import Resource, text_of

# An account for one that is not known, and a suffix of host names for that of the partition.
_ACCOUNT, _SUFFIX = "123456789012", "amazonaws.com"
# The AWS CDK names assets by the SHA-256 of their content, and keeps only the last suffix of a file name.
_CDK_ASSET = re.compile(r"(^|/)[0-9a-f]{64}\.gz$")


class ContainerRuns(Rule):
    """`Specify one of either Image and Model Data URL or ModelPackageName`, as SageMaker says."""

    id = "E9365"
    shortdesc = "A container has an Image or a ModelPackageName"
    description = "A container runs an image, or a model package that has one"

    def in_model(self, model: Resource) -> Iterator[Violation]:
        """Yield the containers that have neither, without empty ones, which E9360 reports."""
        for path, container in containers(model.properties):
            if container and container.get("Image") is container.get("ModelPackageName") is None:
                yield Violation(path, "has neither Image nor ModelPackageName: give one of the two")


class ArchiveSuffix(Rule):
    """SageMaker needs an archive, of any name; another suffix is a sign of something else."""

    id = "W9361"
    shortdesc = "ModelDataUrl of a single model ends in .tar.gz"
    description = "ModelDataUrl names one gzip-compressed tar archive; other artifacts need a ModelDataSource"

    def in_model(self, model: Resource) -> Iterator[Violation]:
        """Yield the artifacts of single models whose suffix is not that of an archive."""
        for path, container in containers(model.properties):
            url, mode = container.get("ModelDataUrl"), container.get("Mode", "SingleModel")
            if mode == "SingleModel" and isinstance(url, str) and not _is_archive(url):
                message = (
                    "should end in .tar.gz, a gzip-compressed tar archive: use ModelDataSource for anything else"
                )
                yield Violation((*path, "ModelDataUrl"), message)


class SpecificationWithoutPackage(Rule):
    """SageMaker documents the name as one within a package, and has been observed to accept it without."""

    id = "W9364"
    shortdesc = "InferenceSpecificationName comes with ModelPackageName"
    description = "InferenceSpecificationName chooses among the specifications of a model package"

    def in_model(self, model: Resource) -> Iterator[Violation]:
        """Yield the specifications without a package."""
        for path, container in containers(model.properties):
            if container.get("InferenceSpecificationName") is not None and container.get("ModelPackageName") is None:
                yield Violation(
                    (*path, "InferenceSpecificationName"),
                    "should come with the ModelPackageName whose specification it is",
                )


class ImageOfAnotherRegion(Rule):
    """The image "must be in the same region as the model" (API reference, ContainerDefinition)."""

    id = "E9367"
    shortdesc = "An image in Amazon ECR is in the region of the stack"
    description = (
        "SageMaker pulls images of Amazon ECR in its own region only; --regions says where the stack will be"
    )

    def in_model(self, model: Resource) -> Iterator[Violation]:
        """Yield the images in one region while the stack will be in others."""
        for path, container in containers(model.properties):
            region = None if is_in_private_registry(container) else ecr_region(_image(model, path))
            others = sorted(model.template.regions - {region})
            if region and others:
                message = (
                    f"is in another region than the stack, which will be in {_listed(others)}: SageMaker pulls "
                    "images of Amazon ECR in its own region only, so write ${AWS::Region} in the name of the image"
                )
                yield Violation((*path, "Image"), message)


class NoRole(Rule):
    """The API accepts a model without a role, but only a role can read the image and the artifacts."""

    id = "W9368"
    shortdesc = "A model with an image in ECR or artifacts in S3 has an ExecutionRoleArn"
    description = "SageMaker reads images and artifacts with the execution role; without it the endpoint fails"

    def in_model(self, model: Resource) -> Iterator[Violation]:
        """Yield a model without a role that has an image or artifacts to read."""
        if model.properties.get("ExecutionRoleArn") is not None:
            return
        for path, container in containers(model.properties):
            data = [
                name for name in ("ModelDataUrl", "ModelDataSource") if _is_there(model, (*path, name), container)
            ]
            for name in [*data, *(["Image"] if _is_in_ecr(model, path) else [])]:
                read = "/".join(map(str, (*path, name)))
                yield Violation((), f"should have an ExecutionRoleArn: SageMaker reads {read} with that role")
                return


def _is_archive(url: str) -> bool:
    return url.endswith((".tar.gz", ".tgz")) or _CDK_ASSET.search(url) is not None


def _image(model: Resource, path: Path) -> str:
    """Return the image of a container as text, with an assumed account and suffix where they are not known."""
    text = text_of(model.stated((*path, "Image"))) or ""
    return re.sub(r"^\$\{[^}]*\}", _ACCOUNT, text).replace("${AWS::URLSuffix}", _SUFFIX)


def _is_in_ecr(model: Resource, path: Path) -> bool:
    return ecr_region(_image(model, path).replace("${AWS::Region}", "us-east-1")) is not None


def _is_there(model: Resource, path: Path, container: Mapping[str, Any]) -> bool:
    """Say whether a property is set in every outcome: a condition that is not resolved may remove it."""
    stated = model.stated(path)
    return container.get(str(path[-1])) is not None and not (isinstance(stated, dict) and "Fn::If" in stated)


def _listed(regions: list[str]) -> str:
    return ", ".join(regions) if len(regions) < 4 else f"{len(regions)} other regions"
