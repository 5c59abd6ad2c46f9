# A model by Cloud Control: Terraform reads its schema by DescribeType first.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

variable "endpoint" {
  type = string
}

variable "team" {
  type    = string
  default = "ads"
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "testing"
  secret_key                  = "testing"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  endpoints {
    cloudcontrol   = var.endpoint
    cloudformation = var.endpoint
  }
}

resource "aws_cloudcontrolapi_resource" "model" {
  type_name = "AWS::SageMaker::Model"
  desired_state = jsonencode({
    ModelName        = "by-terraform"
    ExecutionRoleArn = "arn:aws:iam::123456789012:role/execution"
    PrimaryContainer = { Image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1" }
    Tags             = [{ Key = "team", Value = var.team }]
  })
}
