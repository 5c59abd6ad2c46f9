"""The type's whole story on an AWS account or on the local cloud, with what each answered."""
