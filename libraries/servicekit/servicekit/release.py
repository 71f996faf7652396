"""The version of this code. All distributions of the repository are released together, under one version."""

from importlib.metadata import version

VERSION = version("toroku-servicekit")
