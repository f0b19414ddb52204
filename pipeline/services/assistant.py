"""The embedded MCP service: Superset's datasets, metrics and charts for an assistant, with a viewer's rights."""

import base64
import hashlib
import hmac
import json
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil

from pipeline.kernel.errors import ServiceFailed
from pipeline.services.luigid_service import CHECKOUT
from pipeline.services.service import Service, http_request, require_program
from pipeline.services.state_folder import write_secret
from pipeline.services.superset import SECRETS, SOURCE, Settings, Superset

PYTHON = CHECKOUT / ".venv-mcp/bin/python"
PROGRAM = SOURCE / "assistant.py"
TOKEN, PATH = "assistant.token", "/mcp"
ISSUER, AUDIENCE = "oceanrecords", "assistant"  # as in superset/assistant.py
TOKEN_SECONDS = 90 * 24 * 60 * 60


class Assistant(Service):
    """One process. `make up` starts it after a deployment with SUPERSET_ASSISTANT=1, until one without it."""

    name = "assistant"
    preferred_port = 5008

    @classmethod
    def is_on(cls, home: Path) -> bool:
        """Whether the last deployment of the dashboards had the switch."""
        with suppress(OSError, ServiceFailed):
            return Superset.is_deployed(home) and Settings.read(home / SECRETS).assistant_key is not None
        return False

    def is_ours(self, arguments: list[str]) -> bool:
        """Whether the process serves with our folder."""
        return arguments[1:3] == [str(PROGRAM), str(self.folder)]

    def launch(self) -> subprocess.Popen[bytes]:
        """Writes a new token for clients, and starts the server. Earlier tokens hold until they expire."""
        python = require_program(PYTHON, self.name, "make assistant")
        write_secret(self.token_file, _token(self._key()) + "\n")
        command = [str(python), str(PROGRAM), str(self.folder), str(self.port)]
        return self.spawn(command, env=self._environment())

    def down(self) -> None:
        """Stops the server. Without the switch its token goes too."""
        super().down()
        if not self.is_on(self.home):
            self.token_file.unlink(missing_ok=True)

    def lets_in(self) -> bool:
        """Whether our own process has the port, with the present key and addresses, and accepts the token."""
        if not self.listens() or not self._is_current():
            return False
        try:
            login = {"Authorization": f"Bearer {self.token_file.read_text().strip()}"}
        except FileNotFoundError:
            return False
        answer = http_request("POST", self.port, PATH, login)
        return answer is not None and answer[0] not in (401, 404)  # it is no call, which is found after the login

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"http://{self.address}{PATH}"

    @property
    def token_file(self) -> Path:
        """The file of the token for clients."""
        return self.home / TOKEN

    def _is_current(self) -> bool:
        with suppress(psutil.Error):
            wanted = self._environment().items()
            return any(wanted <= process.environ().items() for process in self.processes())
        return False

    def _key(self) -> str:
        return Settings.read(self.home / SECRETS).assistant_key or ""

    def _environment(self) -> dict[str, str]:
        superset = Superset(self.home, self.access)
        more = {"ASSISTANT_KEY": self._key(), "ASSISTANT_DASHBOARDS": self.access.superset_url}
        return {**superset.environment(Settings.read(superset.secrets_file)), **more}


def _token(key: str) -> str:
    """A JSON Web Token (RFC 7519), signed with HS256."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": AUDIENCE, "exp": int(time.time()) + TOKEN_SECONDS}
    signed = b".".join(_base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    signature = hmac.new(key.encode(), signed, hashlib.sha256).digest()
    return b".".join((signed, _base64(signature))).decode()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
