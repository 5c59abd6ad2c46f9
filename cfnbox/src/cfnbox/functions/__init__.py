"""The Lambda functions of templates and users, run in Lambda's runtime on this machine."""
