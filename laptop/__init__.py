"""The laptop cloud: development only, never part of the package."""
