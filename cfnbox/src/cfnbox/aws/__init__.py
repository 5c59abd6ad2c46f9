"""AWS's protocols, by botocore's service models."""
