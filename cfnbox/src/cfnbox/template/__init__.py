"""The template language: from text to resolved resources, and what CloudFormation refuses of it. Knows no stacks."""
