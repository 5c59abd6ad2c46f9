"""The registry: resource types, their versions, packages and configuration."""
