"""CloudFormation: stacks, change sets and drift over resource providers."""
