"""The version of this code; all distributions of the repository are released together under one version."""

from importlib.metadata import version

VERSION = version("toroku-servicekit")
