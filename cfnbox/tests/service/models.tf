# Models of every kind that the provider knows, without any of the tricks that an imprecise emulator needs.

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

variable "tags" {
  type = map(string)
}

variable "imported" {
  type    = set(string)
  default = []
}

locals {
  image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.5-1"
  role  = "arn:aws:iam::123456789012:role/execution"
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "testing"
  secret_key                  = "testing"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  endpoints {
    sagemaker = var.endpoint
  }
}

resource "aws_sagemaker_model" "single" {
  name               = "single"
  execution_role_arn = local.role
  tags               = var.tags
  primary_container {
    image          = local.image
    model_data_url = "s3://bucket/output/model.tar.gz"
  }
}

resource "aws_sagemaker_model" "prefix" {
  name                     = "prefix"
  execution_role_arn       = local.role
  enable_network_isolation = true
  primary_container {
    image       = local.image
    environment = { LOG_LEVEL = "info" }
    model_data_source {
      s3_data_source {
        s3_uri           = "s3://bucket/model/"
        s3_data_type     = "S3Prefix"
        compression_type = "None"
        model_access_config {
          accept_eula = true
        }
      }
    }
  }
  vpc_config {
    subnets            = ["subnet-1", "subnet-2"]
    security_group_ids = ["sg-1"]
  }
}

resource "aws_sagemaker_model" "multi" {
  name               = "multi"
  execution_role_arn = local.role
  primary_container {
    image          = "registry.example.com/team/image:1"
    mode           = "MultiModel"
    model_data_url = "s3://bucket/models/"
    image_config {
      repository_access_mode = "Vpc"
    }
    multi_model_config {
      model_cache_setting = "Disabled"
    }
  }
  vpc_config {
    subnets            = ["subnet-1"]
    security_group_ids = ["sg-1"]
  }
}

resource "aws_sagemaker_model" "pipeline" {
  name               = "pipeline"
  execution_role_arn = local.role
  container {
    image              = local.image
    container_hostname = "z"
  }
  container {
    image              = local.image
    container_hostname = "a"
  }
}

import {
  for_each = setintersection(var.imported, ["single"])
  to       = aws_sagemaker_model.single
  id       = each.key
}

import {
  for_each = setintersection(var.imported, ["prefix"])
  to       = aws_sagemaker_model.prefix
  id       = each.key
}

import {
  for_each = setintersection(var.imported, ["multi"])
  to       = aws_sagemaker_model.multi
  id       = each.key
}

import {
  for_each = setintersection(var.imported, ["pipeline"])
  to       = aws_sagemaker_model.pipeline
  id       = each.key
}
