"""The type's whole story on an AWS account or on the laptop cloud, with what each answered."""
