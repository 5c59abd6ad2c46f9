# DO NOT modify this file by hand, changes will be overwritten
from dataclasses import dataclass

from cloudformation_cli_python_lib.interface import (
    BaseModel,
    BaseResourceHandlerRequest,
)
from cloudformation_cli_python_lib.recast import recast_object
from cloudformation_cli_python_lib.utils import deserialize_list

import sys
from inspect import getmembers, isclass
from typing import (
    AbstractSet,
    Any,
    Generic,
    Mapping,
    MutableMapping,
    Optional,
    Sequence,
    Type,
    TypeVar,
)

T = TypeVar("T")


def set_or_none(value: Optional[Sequence[T]]) -> Optional[AbstractSet[T]]:
    if value:
        return set(value)
    return None


@dataclass
class ResourceHandlerRequest(BaseResourceHandlerRequest):
    # pylint: disable=invalid-name
    desiredResourceState: Optional["ResourceModel"]
    previousResourceState: Optional["ResourceModel"]
    typeConfiguration: Optional["TypeConfigurationModel"]


@dataclass
class ResourceModel(BaseModel):
    ModelName: Optional[str]
    ExecutionRoleArn: Optional[str]
    PrimaryContainer: Optional["_ContainerDefinition"]
    Containers: Optional[Sequence["_ContainerDefinition"]]
    InferenceExecutionConfig: Optional["_InferenceExecutionConfig"]
    VpcConfig: Optional["_VpcConfig"]
    EnableNetworkIsolation: Optional[bool]
    Tags: Optional[Sequence["_Tag"]]
    ModelArn: Optional[str]
    Name: Optional[str]
    CreationTime: Optional[str]
    DeploymentRecommendation: Optional["_DeploymentRecommendation"]

    @classmethod
    def _deserialize(
        cls: Type["_ResourceModel"],
        json_data: Optional[Mapping[str, Any]],
    ) -> Optional["_ResourceModel"]:
        if not json_data:
            return None
        dataclasses = {n: o for n, o in getmembers(sys.modules[__name__]) if isclass(o)}
        recast_object(cls, json_data, dataclasses)
        return cls(
            ModelName=json_data.get("ModelName"),
            ExecutionRoleArn=json_data.get("ExecutionRoleArn"),
            PrimaryContainer=ContainerDefinition._deserialize(json_data.get("PrimaryContainer")),
            Containers=deserialize_list(json_data.get("Containers"), ContainerDefinition),
            InferenceExecutionConfig=InferenceExecutionConfig._deserialize(json_data.get("InferenceExecutionConfig")),
            VpcConfig=VpcConfig._deserialize(json_data.get("VpcConfig")),
            EnableNetworkIsolation=json_data.get("EnableNetworkIsolation"),
            Tags=deserialize_list(json_data.get("Tags"), Tag),
            ModelArn=json_data.get("ModelArn"),
            Name=json_data.get("Name"),
            CreationTime=json_data.get("CreationTime"),
            DeploymentRecommendation=DeploymentRecommendation._deserialize(json_data.get("DeploymentRecommendation")),
        )


# work around possible type aliasing issues when variable has same name as a model
_ResourceModel = ResourceModel


@dataclass
class ContainerDefinition(BaseModel):
    ContainerHostname: Optional[str]
    Image: Optional[str]
    ImageConfig: Optional["_ImageConfig"]
    Mode: Optional[str]
    ModelDataUrl: Optional[str]
    ModelDataSource: Optional["_ModelDataSource"]
    AdditionalModelDataSources: Optional[Sequence["_AdditionalModelDataSource"]]
    Environment: Optional[MutableMapping[str, str]]
    ModelPackageName: Optional[str]
    InferenceSpecificationName: Optional[str]
    MultiModelConfig: Optional["_MultiModelConfig"]
    ContainerMetricsConfig: Optional["_ContainerMetricsConfig"]

    @classmethod
    def _deserialize(
        cls: Type["_ContainerDefinition"],
        json_data: Optional[Mapping[str, Any]],
    ) -> Optional["_ContainerDefinition"]:
        if not json_data:
            return None
        return cls(
            ContainerHostname=json_data.get("ContainerHostname"),
            Image=json_data.get("Image"),
            ImageConfig=ImageConfig._deserialize(json_data.get("ImageConfig")),
            Mode=json_data.get("Mode"),
            ModelDataUrl=json_data.get("ModelDataUrl"),
            ModelDataSource=ModelDataSource._deserialize(json_data.get("ModelDataSource")),
            AdditionalModelDataSources=deserialize_list(json_data.get("AdditionalModelDataSources"), AdditionalModelDataSource),
            Environment=json_data.get("Environment"),
            ModelPackageName=json_data.get("ModelPackageName"),
            InferenceSpecificationName=json_data.get("InferenceSpecificationName"),
            MultiModelConfig=MultiModelConfig._deserialize(json_data.get("MultiModelConfig")),
            ContainerMetricsConfig=ContainerMetricsConfig._deserialize(json_data.get("ContainerMetricsConfig")),
        )


# work around possible type aliasing issues when variable has same name as a model
_ContainerDefinition = ContainerDefinition


@dataclass
class ImageConfig(BaseModel):
    RepositoryAccessMode: Optional[str]
    RepositoryAuthConfig: Optional["_RepositoryAuthConfig"]

    @classmethod
    def _deserialize(
        cls: Type["_ImageConfig"],
        json_data: Optional[Mapping[str, Any]],
    ) -> Optional["_ImageConfig"]:
        if not json_data:
            return None
        return cls(
            RepositoryAccessMode=json_data.get("RepositoryAccessMode"),
            RepositoryAuthConfig=RepositoryAuthConfig._deserialize(json_data.get("RepositoryAuthConfig")),
        )


# work around possible type aliasing issues when variable has same name as a model
_ImageConfig = ImageConfig


@dataclass
class RepositoryAuthConfig(BaseModel):
    RepositoryCredentialsProviderArn: Optional[str]

    @classmethod
    def _deserialize(
        cls: Type["_RepositoryAuthConfig"],
        json_data: Optional[Mapping[str, Any]],
    ) -> Optional["_RepositoryAuthConfig"]:
        if not json_data:
            return None
        return cls(
            RepositoryCredentialsProviderArn=json_data.get("RepositoryCredentialsProviderArn"),
        )


# work around possible type aliasing issues when variable has same name as a model
_RepositoryAuthConfig = RepositoryAuthConfig


@dataclass
class ModelDataSource(BaseModel):
    S3DataSource: Optional["_S3ModelDataSource"]

    @classmethod
    def _deserialize(
        cls: Type["_ModelDataSource"],
        json_data: Optional[Mapping[str, Any]],
    ) -> Optional["_ModelDataSource"]:
        if not json_data:
            return None
        return cls(
            S3DataSource=S3ModelDataSource._deserialize(json_data.get("S3DataSource")),
        )


# work around possible type aliasing issues when variable has same name as a model
_ModelDataSource = ModelDataSource


@dataclass
class S3ModelDataSource(BaseModel):
    S3Uri: Optional[str]
    S3DataType: Optional[str]
    CompressionType: Optional[str]
    ModelAccessConfig: Optional["_ModelAccessConfig"]
    HubAccessConfig: Optional["_InferenceHubAccessConfig"]
    ManifestS3Uri: Optional[str]
    ETag: Optional[str]
    ManifestEtag: Optional[str]

    @classmethod
    def _deserialize(
        cls: Type["_S3ModelDataSource"],
        json_data: Optional[Mapping[str, Any]],
    ) -> Optional["_S3ModelDataSource"]:
        if not json_data:
            return None
        return cls(
            S3Uri=json_data.get("S3Uri"),
            S3DataType=json_data.get("S3DataType"),
            CompressionType=json_data.get("CompressionType"),
            ModelAccessConfig=ModelAccessConfig._deserialize(json_data.get("ModelAccessConfig")),
            HubAccessConfig=InferenceHubAccessConfig._deserialize(json_data.get("HubAccessConfig")),
            ManifestS3Uri=json_data.get("ManifestS3Uri"),
            ETag=json_data.get("ETag"),
            ManifestEtag=json_data.get("ManifestEtag"),
        )


# work around possible type aliasing issues when variable has same name as a model
_S3ModelDataSource = S3ModelDataSource


@dataclass
class ModelAccessConfig(BaseModel):
    AcceptEula: Optional[bool]

    @classmethod
    def _deserialize(
        cls: Type["_ModelAccessConfig"],
        json_data: Optional[Mapping[str, Any]],
    ) -> Optional["_ModelAccessConfig"]:
        if not json_data:
            return None
        return cls(
            AcceptEula=json_data.get("AcceptEula"),
        )


# work around possible type aliasing issues when variable has same name as a model
_ModelAccessConfig = ModelAccessConfig


@dataclass
class InferenceHubAccessConfig(BaseModel):
    HubContentArn: Optional[str]

    @classmethod
    def _deserialize(
        cls: Type["_InferenceHubAccessConfig"],
        json_data: Optional[Mapping[str, Any]],
    ) -> Optional["_InferenceHubAccessConfig"]:
        if not json_data:
            return None
        return cls(
            HubContentArn=json_data.get("HubContentArn"),
        )


# work around possible type aliasing issues when variable has same name as a model
_InferenceHubAccessConfig = InferenceHubAccessConfig


@dataclass
class AdditionalModelDataSource(BaseModel):
    ChannelName: Optional[str]
    S3DataSource: Optional["_S3ModelDataSource"]

    @classmethod
    def _deserialize(
        cls: Type["_AdditionalModelDataSource"],
        json_data: Optional[Mapping[str, Any]],
    ) -> Optional["_AdditionalModelDataSource"]:
        if not json_data:
            return None
        return cls(
            ChannelName=json_data.get("ChannelName"),
            S3DataSource=S3ModelDataSource._deserialize(json_data.get("S3DataSource")),
        )


# work around possible type aliasing issues when variable has same name as a model
_AdditionalModelDataSource = AdditionalModelDataSource


@dataclass
class MultiModelConfig(BaseModel):
    ModelCacheSetting: Optional[str]

    @classmethod
    def _deserialize(
        cls: Type["_MultiModelConfig"],
        json_data: Optional[Mapping[str, Any]],
    ) -> Optional["_MultiModelConfig"]:
        if not json_data:
            return None
        return cls(
            ModelCacheSetting=json_data.get("ModelCacheSetting"),
        )


# work around possible type aliasing issues when variable has same name as a model
_MultiModelConfig = MultiModelConfig


@dataclass
class ContainerMetricsConfig(BaseModel):
    MetricsEndpoints: Optional[Sequence["_MetricsEndpoint"]]

    @classmethod
    def _deserialize(
        cls: Type["_ContainerMetricsConfig"],
        json_data: Optional[Mapping[str, Any]],
    ) -> Optional["_ContainerMetricsConfig"]:
        if not json_data:
            return None
        return cls(
            MetricsEndpoints=deserialize_list(json_data.get("MetricsEndpoints"), MetricsEndpoint),
        )


# work around possible type aliasing issues when variable has same name as a model
_ContainerMetricsConfig = ContainerMetricsConfig


@dataclass
class MetricsEndpoint(BaseModel):
    MetricsEndpointPath: Optional[str]
    MetricPublishFrequencyInSeconds: Optional[int]

    @classmethod
    def _deserialize(
        cls: Type["_MetricsEndpoint"],
        json_data: Optional[Mapping[str, Any]],
    ) -> Optional["_MetricsEndpoint"]:
        if not json_data:
            return None
        return cls(
            MetricsEndpointPath=json_data.get("MetricsEndpointPath"),
            MetricPublishFrequencyInSeconds=json_data.get("MetricPublishFrequencyInSeconds"),
        )


# work around possible type aliasing issues when variable has same name as a model
_MetricsEndpoint = MetricsEndpoint


@dataclass
class InferenceExecutionConfig(BaseModel):
    Mode: Optional[str]

    @classmethod
    def _deserialize(
        cls: Type["_InferenceExecutionConfig"],
        json_data: Optional[Mapping[str, Any]],
    ) -> Optional["_InferenceExecutionConfig"]:
        if not json_data:
            return None
        return cls(
            Mode=json_data.get("Mode"),
        )


# work around possible type aliasing issues when variable has same name as a model
_InferenceExecutionConfig = InferenceExecutionConfig


@dataclass
class VpcConfig(BaseModel):
    SecurityGroupIds: Optional[Sequence[str]]
    Subnets: Optional[Sequence[str]]

    @classmethod
    def _deserialize(
        cls: Type["_VpcConfig"],
        json_data: Optional[Mapping[str, Any]],
    ) -> Optional["_VpcConfig"]:
        if not json_data:
            return None
        return cls(
            SecurityGroupIds=json_data.get("SecurityGroupIds"),
            Subnets=json_data.get("Subnets"),
        )


# work around possible type aliasing issues when variable has same name as a model
_VpcConfig = VpcConfig


@dataclass
class Tag(BaseModel):
    Key: Optional[str]
    Value: Optional[str]

    @classmethod
    def _deserialize(
        cls: Type["_Tag"],
        json_data: Optional[Mapping[str, Any]],
    ) -> Optional["_Tag"]:
        if not json_data:
            return None
        return cls(
            Key=json_data.get("Key"),
            Value=json_data.get("Value"),
        )


# work around possible type aliasing issues when variable has same name as a model
_Tag = Tag


@dataclass
class DeploymentRecommendation(BaseModel):
    RecommendationStatus: Optional[str]
    RealTimeInferenceRecommendations: Optional[Sequence["_RealTimeInferenceRecommendation"]]

    @classmethod
    def _deserialize(
        cls: Type["_DeploymentRecommendation"],
        json_data: Optional[Mapping[str, Any]],
    ) -> Optional["_DeploymentRecommendation"]:
        if not json_data:
            return None
        return cls(
            RecommendationStatus=json_data.get("RecommendationStatus"),
            RealTimeInferenceRecommendations=deserialize_list(json_data.get("RealTimeInferenceRecommendations"), RealTimeInferenceRecommendation),
        )


# work around possible type aliasing issues when variable has same name as a model
_DeploymentRecommendation = DeploymentRecommendation


@dataclass
class RealTimeInferenceRecommendation(BaseModel):
    RecommendationId: Optional[str]
    InstanceType: Optional[str]
    Environment: Optional[MutableMapping[str, str]]

    @classmethod
    def _deserialize(
        cls: Type["_RealTimeInferenceRecommendation"],
        json_data: Optional[Mapping[str, Any]],
    ) -> Optional["_RealTimeInferenceRecommendation"]:
        if not json_data:
            return None
        return cls(
            RecommendationId=json_data.get("RecommendationId"),
            InstanceType=json_data.get("InstanceType"),
            Environment=json_data.get("Environment"),
        )


# work around possible type aliasing issues when variable has same name as a model
_RealTimeInferenceRecommendation = RealTimeInferenceRecommendation


@dataclass
class TypeConfigurationModel(BaseModel):

    @classmethod
    def _deserialize(
        cls: Type["_TypeConfigurationModel"],
        json_data: Optional[Mapping[str, Any]],
    ) -> Optional["_TypeConfigurationModel"]:
        if not json_data:
            return None
        return cls(
        )


# work around possible type aliasing issues when variable has same name as a model
_TypeConfigurationModel = TypeConfigurationModel


