"""The embedded S3: `rclone serve s3` over a folder."""

import subprocess
import sys
from pathlib import Path

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from pipeline.services.service import Service, http_request, require_program
from pipeline.services.state_folder import make_folder

BUCKET = "ocean-lake"


class S3(Service):
    """A bucket is a folder and an object a file. So the data outlives the server."""

    name = "s3"
    preferred_port = 19000

    def is_ours(self, arguments: list[str]) -> bool:
        """Whether the process is an rclone that serves our folder."""
        return Path(arguments[0]).name == "rclone" and arguments[1:4] == ["serve", "s3", str(self.folder)]

    def start(self) -> None:
        """Creates the bucket and starts the server."""
        make_folder(self.folder / BUCKET)
        super().start()

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts rclone with the keys of services.json."""
        rclone = require_program(Path(sys.executable).parent / "rclone", self.name)
        # Keys go through the environment, where `ps` does not show them. Our other variables are not passed on: any
        # RCLONE_ variable would be an option. rclone looks in HOME for a configuration, and finds none.
        env = {
            "HOME": str(self.home),
            "RCLONE_AUTH_KEY": f'"{self.access.s3_access_key},{self.access.s3_secret_key}"',
        }
        command = [str(rclone), "serve", "s3", str(self.folder), "--addr", self.address]
        # After a file is removed without rclone, it believes in the file for this long and answers 500. Without the
        # cache each request would read its folder, which takes longer the more files there are.
        return self.spawn([*command, "--dir-cache-time", "1s"], env=env)

    def lets_in(self) -> bool:
        """Whether a signed request finds the bucket."""
        request = AWSRequest("HEAD", f"http://{self.address}/{BUCKET}")
        credentials = Credentials(self.access.s3_access_key, self.access.s3_secret_key)
        S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(request)
        answer = http_request("HEAD", self.port, f"/{BUCKET}", dict(request.headers))
        return answer is not None and answer[0] == 200
