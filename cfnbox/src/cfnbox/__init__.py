"""cfnbox: development only, never part of the package."""
