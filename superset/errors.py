"""The one way in which a deployment fails."""


class DeployError(Exception):
    """Why the dashboards cannot be deployed. The message names the file and never holds a secret."""
