"""Clouds in one process: each begins empty, and one does not touch what another holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.aws import clients
from cfnbox.cloud import Cloud
from cfnbox.providers.ministack import MinistackUnavailable
from cfnbox.sagemaker.server import LocalSageMaker

if TYPE_CHECKING:
    from collections.abc import Sequence

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1"


def make_model(url: str, name: str) -> None:
    sagemaker = clients.client("sagemaker", url)
    sagemaker.create_model(ModelName=name, PrimaryContainer={"Image": IMAGE})


def models(url: str) -> Sequence[str]:
    listed: list[dict[str, Any]] = clients.client("sagemaker", url).list_models()["Models"]
    return [one["ModelName"] for one in listed]


def test_a_cloud_begins_empty_whatever_the_process_held() -> None:
    with LocalSageMaker() as before:
        make_model(before.url, "left-behind")

    with Cloud() as cloud:
        assert models(cloud.url) == []


def test_a_second_cloud_is_refused_and_the_first_keeps_its_models() -> None:
    with Cloud() as cloud:
        make_model(cloud.url, "kept")

        with pytest.raises(MinistackUnavailable, match="Close the other cloud first"):
            Cloud()

        assert models(cloud.url) == ["kept"]
