"""Every rule for SageMaker models, in the order in which they are reported."""

from lint_sagemaker_model.rule import Rule
from lint_sagemaker_model.rules.chain import (
    InferenceComponentHasAnEndpoint,
    InferenceComponentNeeds,
    ScalingWithoutModel,
    ServerlessArtifacts,
    VolumeOfLocalStorage,
)
from lint_sagemaker_model.rules.containers import (
    ArchiveSuffix,
    ContainerRuns,
    ImageOfAnotherRegion,
    NoRole,
    SpecificationWithoutPackage,
)
from lint_sagemaker_model.rules.endpoints import ChangeReachesEndpoint
from lint_sagemaker_model.rules.model import Attributes, ModelRules, SchemaRules
from lint_sagemaker_model.rules.names import FixedName, SameName
from lint_sagemaker_model.rules.secrets import PlainSecret

ALL_RULES: tuple[type[Rule], ...] = (
    ModelRules, ArchiveSuffix, FixedName, PlainSecret, SpecificationWithoutPackage, ContainerRuns, SameName,
    ImageOfAnotherRegion, NoRole, ChangeReachesEndpoint, SchemaRules, ServerlessArtifacts, ScalingWithoutModel,
    InferenceComponentHasAnEndpoint, VolumeOfLocalStorage, InferenceComponentNeeds, Attributes,
)  # fmt: skip
