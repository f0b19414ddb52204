"""The embedded luigid, Luigi's central scheduler."""

import os
import subprocess
import sys
from pathlib import Path

from pipeline.services.service import Service, http_request, require_program

CHECKOUT = Path(__file__).parents[2]  # where luigi.cfg is


class Luigid(Service):
    """luigid knows no passwords, so it listens on 127.0.0.1 alone."""

    name = "luigid"
    preferred_port = 8082

    def is_ours(self, arguments: list[str]) -> bool:
        """Whether it is a luigid with our state file."""
        return ["--state-path", str(self._state)] in (arguments[i : i + 2] for i in range(len(arguments)))

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts luigid in the checkout, where it finds luigi.cfg."""
        # Through the interpreter: the kernel refuses a script whose first line is long or has a space in it.
        luigid = require_program(Path(sys.executable).parent / "luigid", self.name)
        command = [sys.executable, str(luigid), "--address", "127.0.0.1", "--port", str(self.port)]
        # A name in luigi.cfg; what else is in our environment, luigid finds too.
        env = {**os.environ, "OCEAN_TASK_HISTORY": str(self.folder / "history.db")}
        return self.spawn([*command, "--state-path", str(self._state)], cwd=CHECKOUT, env=env)

    def answers(self) -> bool:
        """Whether our own process has the port and answers as Luigi."""
        return self.listens() and self._is_luigi()

    @property
    def _state(self) -> Path:
        return self.folder / "state.pickle"

    def _is_luigi(self) -> bool:
        answer = http_request("GET", self.port, "/api/is_paused", {})
        return answer is not None and answer[0] == 200 and b'"response"' in answer[1]
