"""Layers by their ARN, as `sam sync --code` names them."""

from __future__ import annotations

import io
import zipfile

from cfnbox import Cloud


def test_versions_of_a_layer_are_published_by_its_arn() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("python/shared.py", "")
    with Cloud() as cloud:
        functions = cloud.client("lambda")
        layer = functions.publish_layer_version(LayerName="shared", Content={"ZipFile": archive.getvalue()})
        for name in ("shared", layer["LayerArn"]):
            listed = functions.list_layer_versions(LayerName=name)["LayerVersions"]
            assert [version["LayerVersionArn"] for version in listed] == [layer["LayerVersionArn"]]
