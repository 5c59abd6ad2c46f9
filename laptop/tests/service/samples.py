"""What the tests of the local SageMaker send again and again."""

from botocore.config import Config

REGION = "us-east-1"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.5-1"
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
# Requests reach the service as the tests write them, and no error is tried twice behind their back.
AS_WRITTEN = Config(parameter_validation=False, retries={"total_max_attempts": 1})
IN_PROCESS = AS_WRITTEN.merge(Config(ignore_configured_endpoint_urls=True))
