"""What builds, generates and registers the type; never part of the package."""
