"""A strict TUF client for repository zips, on python-tuf (`tuf` 6 or 7).

    python_tuf_client.py REPO.zip AT [ROOT.json]

Serves the zip's files on loopback, walks the metadata with python-tuf's updater as of the time AT
(YYYY-MM-DDTHH:MM:SSZ), and downloads every target, which checks its exact length and its hashes.
Without ROOT.json the zip's own root is trusted. Prints the number of targets; exits 1 with the
reason when anything is refused.
"""

import datetime
import http.server
import json
import pathlib
import re
import sys
import tempfile
import threading
import zipfile

from tuf.ngclient import Updater, UpdaterConfig


def handler(archive):
    """A request handler that answers from the members of a zip."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            try:
                body = archive.read("repo" + self.path.replace("%2B", "+"))
            except KeyError:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


def main():
    archive = zipfile.ZipFile(sys.argv[1])
    damaged = archive.testzip()
    if damaged:
        raise ValueError(f"{damaged}: wrong CRC")
    at = datetime.datetime.strptime(sys.argv[2], "%Y-%m-%dT%H:%M:%SZ")
    own = archive.read("repo/metadata/1.root.json")
    root = pathlib.Path(sys.argv[3]).read_bytes() if len(sys.argv) > 3 else own
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(archive))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        (directory / "metadata").mkdir()
        (directory / "targets").mkdir()
        updater = Updater(
            metadata_dir=str(directory / "metadata"),
            metadata_base_url=f"{url}/metadata/",
            target_dir=str(directory / "targets"),
            target_base_url=f"{url}/targets/",
            config=UpdaterConfig(targets_max_length=10 << 20),
            bootstrap=root,
        )
        # There is no public way to say what time it is.
        updater._trusted_set.reference_time = at.replace(tzinfo=datetime.timezone.utc)
        updater.refresh()
        # With consistent snapshots its version is before the name.
        (role,) = [n for n in archive.namelist() if re.fullmatch(r"repo/metadata/(\d+\.)?targets\.json", n)]
        names = json.loads(archive.read(role))["signed"]["targets"]
        for name in sorted(names):
            information = updater.get_targetinfo(name)
            if information is None:
                raise ValueError(f"{name}: not found by the client")
            updater.download_target(information)
    print(f"{len(names)} targets")


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        print(f"refused: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
