"""Vast's own PyWorker, as a process in front of the stand-in's model server."""

from .certificates import worker_certificate
from .process import PyWorker
from .virtual_environment import InstallationError, pyworker_python

__all__ = ["InstallationError", "PyWorker", "pyworker_python", "worker_certificate"]
