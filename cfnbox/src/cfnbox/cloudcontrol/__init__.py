"""Cloud Control API: one resource at a time, without a stack, by the providers that make those of stacks."""
