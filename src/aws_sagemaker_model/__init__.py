"""The CloudFormation resource type AWS::SageMaker::Model."""
