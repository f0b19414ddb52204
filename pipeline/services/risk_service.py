"""The embedded risk-score service of the simulated shop: FastAPI under uvicorn."""

import subprocess
import sys

from pipeline.kernel import basic_auth, shell
from pipeline.services.access import RISK_USER
from pipeline.services.luigid_service import CHECKOUT
from pipeline.services.service import Service, http_request

PROGRAM = "pipeline.generators.risk"


class Risk(Service):
    """Reads its port, its password and the URL of the shop's database from services.json."""

    name = "risk"
    preferred_port = 18090

    def is_ours(self, arguments: list[str]) -> bool:
        """Whether the process is the service with our services.json."""
        return arguments[1:4] == ["-m", PROGRAM, str(self.access.path)]

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts the service."""
        command = [sys.executable, "-m", PROGRAM, str(self.access.path)]
        return self.spawn(command, cwd=CHECKOUT, env=shell.without_servers())

    def lets_in(self) -> bool:
        """Whether the service accepts our password; a service with another services.json has another one."""
        login = basic_auth.header(RISK_USER, self.access.risk_password)
        answer = http_request("GET", self.port, "/health", {"Authorization": login})
        return answer is not None and answer[0] == 204
