"""The instance families with local storage, in the rule and in the local SageMaker: what EC2 says of them."""

from __future__ import annotations

import boto3
from botocore.model import StringShape
from moto import mock_aws

from cfnbox.sagemaker.endpoint_rules import LOCAL_STORAGE_FAMILIES as LOCAL_FAMILIES
from lint_sagemaker_model.rules.chain import LOCAL_STORAGE_FAMILIES


def test_families_with_local_storage_are_those_of_ec2() -> None:
    model = boto3.Session(region_name="us-east-1").client("sagemaker").meta.service_model
    shape = model.shape_for("ProductionVariantInstanceType")
    assert isinstance(shape, StringShape)
    names = [name.removeprefix("ml.") for name in shape.enum]
    # The types of a family have storage of one kind.
    of_each_family = {name.partition(".")[0]: name for name in names}
    # moto answers what it has recorded of AWS.
    with mock_aws():
        answer = boto3.client("ec2", "us-east-1").describe_instance_types(
            Filters=[
                {"Name": "instance-type", "Values": list(of_each_family.values())},
                {"Name": "instance-storage-supported", "Values": ["true"]},
            ]
        )
    found = {described["InstanceType"].partition(".")[0] for described in answer["InstanceTypes"]}
    assert sorted(found) == sorted(LOCAL_STORAGE_FAMILIES)
    assert LOCAL_FAMILIES == LOCAL_STORAGE_FAMILIES
