"""Models by their handles, from a server of our own."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading

import pytest

from keras_attention.zoo.core import hub
from tests.zoo import oracle
from tests.zoo.cases import CASES

REVISION = "a" * 40
READ = """
import sys
import numpy as np
from keras_attention import TransformerEncoder

for handle in sys.argv[1:]:
    model = TransformerEncoder.from_preset(handle)
    print(model.count_params())
"""


class Handler(http.server.BaseHTTPRequestHandler):
    """As much of the hub as a download asks for."""

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer()

    def answer(self, with_body=True):
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        folder = self.server.folder
        if path.startswith("/api/models/some/bert/revision/"):
            if path.rsplit("/", 1)[1] not in ("main", "v2", REVISION):
                self.send_error(404)
                return
            names = sorted(p.name for p in folder.iterdir())
            content = json.dumps(
                {
                    "id": "some/bert",
                    "sha": REVISION,
                    "siblings": [{"rfilename": name} for name in names],
                }
            ).encode()
        elif path.startswith("/api/models/some/bert/tree/"):
            entries = [
                {
                    "type": "file",
                    "path": p.name,
                    "size": p.stat().st_size,
                    "oid": hashlib.sha1(p.read_bytes()).hexdigest(),
                }
                for p in sorted(folder.iterdir())
            ]
            content = json.dumps(entries).encode()
        elif path.startswith(f"/some/bert/resolve/{REVISION}/"):
            content = (folder / path.rsplit("/", 1)[1]).read_bytes()
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Repo-Commit", REVISION)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path):
    pytest.importorskip("huggingface_hub")
    folder = tmp_path / "published"
    oracle.make(CASES["bert"], "TransformerEncoder").save_pretrained(folder)
    for name in ("pytorch_model.bin", "consolidated.safetensors"):
        (folder / name).write_bytes(b"never asked for")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.folder, server.asked = folder, []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def read(server, home, *handles, offline=False):
    port = server.server_address[1]
    return subprocess.run(
        [sys.executable, "-c", READ, *handles],
        env={
            **os.environ,
            "HF_ENDPOINT": f"http://127.0.0.1:{port}",
            "HF_HOME": str(home),
            "HF_HUB_OFFLINE": str(int(offline)),
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "127.0.0.1",
        },
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.full
def test_a_handle_is_read_and_then_without_a_network(server, tmp_path):
    home = tmp_path / "home"
    done = read(server, home, "hf://some/bert", "hf://some/bert@v2")
    assert done.returncode == 0, done.stderr
    counts = done.stdout.split()
    assert len(counts) == 2 and counts[0] == counts[1]
    names = [path.rsplit("/", 1)[1] for path in server.asked]
    assert "model.safetensors" in names
    assert not {"pytorch_model.bin", "consolidated.safetensors"} & {*names}
    server.asked.clear()
    done = read(server, home, "hf://some/bert", offline=True)
    assert done.returncode == 0, done.stderr
    assert not server.asked


@pytest.mark.full
def test_a_repository_that_is_not_there_is_one_clear_error(server, tmp_path):
    done = read(server, tmp_path / "home", "hf://some/bart")
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ValueError: hf://some/bart cannot be read:")


@pytest.mark.parametrize(
    "handle", ["hf://bert", "hf://a/b/c", "hf://", "hf://a/b@", "hf://a b/c"]
)
def test_handles_that_are_none_are_refused(handle):
    with pytest.raises(ValueError, match="hf://owner/name@revision"):
        hub.fetch(handle)
