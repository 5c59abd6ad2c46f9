"""Keeps an awscrt of the runtime's out: botocore would import it at every start, for signatures that nothing uses."""

raise ImportError("awscrt is not in this package: botocore signs without it")
