"""Terraform as a peer: the same models by its AWS provider, of a filesystem mirror, on the same SageMaker."""

import json
import os
import shutil
from pathlib import Path

from bench.measure import MODEL, finished
from cfnbox.aws.clients import CREDENTIALS
from cfnbox.core.place import DEFAULT_REGION

_PROVIDER = "registry.terraform.io/hashicorp/aws"


def unavailable() -> str:
    """Why Terraform cannot be measured, in a sentence; empty when it can."""
    if shutil.which("terraform") is None:
        return "Terraform was not measured, because it is not on PATH."
    if not os.environ.get("TERRAFORM_MIRROR"):
        return "Terraform was not measured: set TERRAFORM_MIRROR to a directory with a mirror of its AWS provider."
    return ""


class Terraform:
    """Terraform in a folder, for so many models; what it does once, `terraform init`, is done already."""

    def __init__(self, folder: Path, url: str, models: int) -> None:
        self._folder = folder
        (folder / "main.tf.json").write_text(json.dumps(_configuration(url, models)))
        mirror = json.dumps(str(Path(os.environ["TERRAFORM_MIRROR"]).resolve()))
        rc = folder / "terraformrc"
        rc.write_text(f"provider_installation {{\n  filesystem_mirror {{\n    path = {mirror}\n  }}\n}}\n")
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TF_CLI_CONFIG_FILE": str(rc),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }
        self._run("init", "-no-color", "-input=false")

    def apply(self, stage: str) -> None:
        """Create the models, or change the tags of those that are there."""
        self._run("apply", "-no-color", "-input=false", "-auto-approve", f"-var=stage={stage}")

    def destroy(self) -> None:
        """Delete the models."""
        self._run("destroy", "-no-color", "-input=false", "-auto-approve", "-var=stage=none")

    def versions(self) -> str:
        """Which Terraform, and which provider."""
        said = json.loads(self._run("version", "-json"))
        return f"{said['terraform_version']}, AWS provider {said['provider_selections'][_PROVIDER]}"

    def _run(self, *words: str) -> str:
        return finished(["terraform", *words], self._folder, self._environment)


def _configuration(url: str, models: int) -> dict[str, object]:
    provider = {
        "region": DEFAULT_REGION,
        "access_key": CREDENTIALS["AWS_ACCESS_KEY_ID"],
        "secret_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        "skip_credentials_validation": True,
        "skip_metadata_api_check": True,
        "skip_requesting_account_id": True,
        "endpoints": {"sagemaker": url},
    }
    container = MODEL["PrimaryContainer"]
    model = {
        "count": models,
        "name": "terraform-${count.index}",
        "execution_role_arn": MODEL["ExecutionRoleArn"],
        "primary_container": {
            "image": container["Image"],
            "model_data_url": container["ModelDataUrl"],
            "environment": container["Environment"],
        },
        "tags": {"stage": "${var.stage}"},
    }
    return {
        "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws"}}},
        "variable": {"stage": {"type": "string"}},
        "provider": {"aws": provider},
        "resource": {"aws_sagemaker_model": {"model": model}},
    }
