"""cfn-lint rules for SageMaker models, under any type name: see README.md in the folder above."""
