"""Runs a command that must not outlive its caller: python leash.py PARENT_PID SCRATCH COMMAND...

A program of its own, so that it survives a parent killed with SIGKILL. Then it ends the command and everything else
in the process group, and removes the scratch folder. Its exit code is the command's (128 + n for signal n).
"""

import os
import shutil
import signal
import subprocess
import sys

SECONDS_BETWEEN_LOOKS = 0.3


def main() -> int:
    """Waits for the end of the command or of the parent."""
    parent, scratch, *command = sys.argv[1:]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    while True:
        try:
            code = child.wait(SECONDS_BETWEEN_LOOKS)
        except subprocess.TimeoutExpired:
            if os.getppid() == int(parent):
                continue
            child.kill()
            child.wait()
            shutil.rmtree(scratch, ignore_errors=True)
            os.killpg(0, signal.SIGKILL)
        return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
