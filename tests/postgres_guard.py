"""Stops a PostgreSQL server and removes its folder when no test process uses it any more, however they ended.

Each process that uses it holds a shared lock on the file ``users``: who gets the lock alone knows that none is left.
Run by ``conftest.py``: ``python postgres_guard.py FOLDER COMMAND...``, where the command stops the server.
"""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

folder = Path(sys.argv[1])
with (folder / "users").open() as users:
    fcntl.flock(users, fcntl.LOCK_EX)
    subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shutil.rmtree(folder, ignore_errors=True)
