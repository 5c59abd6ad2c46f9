"""What a container runs and loads."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from aws_sagemaker_model.properties import Path
from aws_sagemaker_model.schema import Violation
from aws_sagemaker_model.validation import containers
from lint_sagemaker_model.model_rule import ModelRule
from lint_sagemaker_model.template import Resource, text_of

# A repository of Amazon ECR, on either of its kinds of host names (ECR user guide, "Making requests over IPv6").
_ECR = re.compile(
    r"\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+|\$\{AWS::Region\})\.(?:amazonaws\.com|on\.aws|\$\{)"
)
# The assets of the AWS CDK are called after their content's SHA-256, and only the last suffix of a file is kept.
_CDK_ASSET = re.compile(r"(^|/)[0-9a-f]{64}\.gz$")
# cfn-lint's own default: what a template is checked for when nobody said where it goes.
_DEFAULT_REGIONS = ["us-east-1"]


class ContainerRuns(ModelRule):
    """`Specify one of either Image and Model Data URL or ModelPackageName`, as SageMaker says."""

    id = "E9365"
    shortdesc = "A container has an Image or a ModelPackageName"
    description = "SageMaker needs to know what a container runs: an image, or a model package that names one"

    def in_model(self, model: Resource) -> Iterator[Violation]:
        """Yield the containers that have neither; of one that has nothing at all E9360 speaks."""
        for path, container in containers(model.properties):
            if container and container.get("Image") is container.get("ModelPackageName") is None:
                yield Violation(path, "has neither Image nor ModelPackageName: give one of the two")


class ArchiveSuffix(ModelRule):
    """SageMaker wants an archive, whatever it is called; every other name is a sign of something else."""

    id = "W9361"
    shortdesc = "ModelDataUrl of a single model ends in .tar.gz"
    description = "ModelDataUrl names one gzip-compressed tar archive; other artifacts need a ModelDataSource"

    def in_model(self, model: Resource) -> Iterator[Violation]:
        """Yield the artifacts of single models that look like something else."""
        for path, container in containers(model.properties):
            url, mode = container.get("ModelDataUrl"), container.get("Mode", "SingleModel")
            if mode == "SingleModel" and isinstance(url, str) and not _is_archive(url):
                message = (
                    "should end in .tar.gz, a gzip-compressed tar archive: use ModelDataSource for anything else"
                )
                yield Violation((*path, "ModelDataUrl"), message)


class SpecificationWithoutPackage(ModelRule):
    """SageMaker documents the name as one within a package, and has been seen to accept it without."""

    id = "W9364"
    shortdesc = "InferenceSpecificationName comes with ModelPackageName"
    description = "InferenceSpecificationName chooses among the specifications of a model package"

    def in_model(self, model: Resource) -> Iterator[Violation]:
        """Yield the specifications of no package."""
        for path, container in containers(model.properties):
            if container.get("InferenceSpecificationName") is not None and container.get("ModelPackageName") is None:
                yield Violation(
                    (*path, "InferenceSpecificationName"),
                    "should come with the ModelPackageName whose specification it is",
                )


class ImageOfAnotherRegion(ModelRule):
    """The image "must be in the same region as the model" (API reference, ContainerDefinition)."""

    id = "W9367"
    shortdesc = "An image in Amazon ECR is in the region of the stack"
    description = "SageMaker takes images of its own region only; regions are those that cfn-lint is told (--regions)"

    def in_model(self, model: Resource) -> Iterator[Violation]:
        """Yield the images that are in one region, while the stack goes to others."""
        if model.cfn.regions == _DEFAULT_REGIONS:
            return
        for path, _ in containers(model.properties):
            region = _ecr_region(model, path)
            others = sorted(set(model.cfn.regions) - {region})
            if region and "$" not in region and others:
                message = (
                    f"is in another region than {_listed(others)}, which the template is checked for: SageMaker "
                    "takes images of its own region only, so let ${AWS::Region} stand in the image's name"
                )
                yield Violation((*path, "Image"), message)


class NoRole(ModelRule):
    """The API takes a model without a role; what reads the image and the artifacts is the role."""

    id = "W9368"
    shortdesc = "A model with an image in ECR or artifacts in S3 has an ExecutionRoleArn"
    description = "SageMaker reads images and artifacts with the execution role; without it the endpoint fails"

    def in_model(self, model: Resource) -> Iterator[Violation]:
        """Yield a model without a role that has something to read."""
        if model.properties.get("ExecutionRoleArn") is not None:
            return
        for path, container in containers(model.properties):
            data = [
                name for name in ("ModelDataUrl", "ModelDataSource") if _is_there(model, (*path, name), container)
            ]
            for name in [*data, *(["Image"] if _ecr_region(model, path) else [])]:
                read = "/".join(map(str, (*path, name)))
                yield Violation((), f"should have an ExecutionRoleArn: SageMaker reads {read} with that role")
                return


def _is_archive(url: str) -> bool:
    return url.endswith((".tar.gz", ".tgz")) or _CDK_ASSET.search(url) is not None


def _ecr_region(model: Resource, path: Path) -> str | None:
    """Return the region in the host name of a container's image, where the image is one of ECR's."""
    found = _ECR.search(text_of(model.stated((*path, "Image"))) or "")
    return found["region"] if found else None


def _is_there(model: Resource, path: Path, container: Mapping[str, Any]) -> bool:
    """Say whether a property is certainly there: a condition that was not looked at may take it away."""
    stated = model.stated(path)
    return container.get(str(path[-1])) is not None and not (isinstance(stated, dict) and "Fn::If" in stated)


def _listed(regions: list[str]) -> str:
    return ", ".join(regions) if len(regions) < 4 else f"{len(regions)} other regions"
