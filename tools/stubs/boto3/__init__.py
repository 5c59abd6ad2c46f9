"""boto3's place in the package: the handlers' library imports it, this type makes its clients with botocore."""
