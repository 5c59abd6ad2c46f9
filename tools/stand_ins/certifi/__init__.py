"""Keeps a certifi of the runtime's out: botocore then takes the certificates of authorities that it brings itself."""

raise ImportError("certifi is not in this package: botocore brings its own certificates of authorities")
