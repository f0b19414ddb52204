"""The embedded luigid, Luigi's central scheduler."""

import os
import subprocess
import sys
from pathlib import Path

from pipeline.kernel import basic_auth
from pipeline.kernel.config import LUIGID_USER
from pipeline.services.service import HOST, Service, http_request

PROGRAM = "pipeline.luigid"
CHECKOUT = Path(__file__).parents[2]  # where luigi.cfg is


class Luigid(Service):
    """luigid behind a password."""

    name = "luigid"
    preferred_port = 8082

    def is_ours(self, arguments: list[str]) -> bool:
        """Whether the process is a luigid with our state file."""
        return ["--state-path", str(self._state)] in (arguments[i : i + 2] for i in range(len(arguments)))

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts luigid in the checkout, where it finds luigi.cfg."""
        command = [sys.executable, "-m", PROGRAM, "--address", HOST, "--port", str(self.port)]
        # The first is a name in luigi.cfg. luigid also reads the rest of our environment.
        more = {
            "OCEAN_TASK_HISTORY": str(self.folder / "history.db"),
            "OCEAN_LUIGID_PASSWORD": self.access.luigid_password,
            "OCEAN_BOOK": str(self.home / "book"),
        }
        return self.spawn([*command, "--state-path", str(self._state)], cwd=CHECKOUT, env={**os.environ, **more})

    def lets_in(self) -> bool:
        """Whether our own process has the port and accepts our password."""
        login = {"Authorization": basic_auth.header(LUIGID_USER, self.access.luigid_password)}
        answer = http_request("HEAD", self.port, "/", login) if self.listens() else None
        return answer is not None and answer[0] == 204

    @property
    def _state(self) -> Path:
        return self.folder / "state.pickle"
