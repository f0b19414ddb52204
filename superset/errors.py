"""The error of a deployment."""


class DeployError(Exception):
    """Why the dashboards cannot be deployed. The message names the file and never contains a secret."""
