"""torch.hub: models of a folder, weights by address, checked and never half written."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

import cltorch as torch
from cltorch import hub

HUBCONF = '''
dependencies = ["numpy"]
import cltorch

def small(width=2, pretrained=False):
    """Return a small model."""
    return cltorch.nn.Linear(width, 1)
'''


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "weights.pt"
    torch.save({"w": torch.arange(3.0)}, path)
    sum = hashlib.sha256(path.read_bytes()).hexdigest()
    named = tmp_path / f"small-{sum[:8]}.pt"
    path.rename(named)
    return named


def test_models_of_a_folder(tmp_path):
    (tmp_path / "hubconf.py").write_text(HUBCONF)
    assert "small" in hub.list(tmp_path, source="local")
    assert hub.help(tmp_path, "small", source="local") == "Return a small model."
    assert hub.load(tmp_path, "small", source="local", width=5, trust_repo=True).weight.shape == (1, 5)
    with pytest.raises(RuntimeError, match="Cannot find callable large in hubconf"):
        hub.load(tmp_path, "large", source="local")


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(NotImplementedError, match="clone it"):
        hub.load("someone/model", "small")
    with pytest.raises(ValueError, match="Unknown source"):
        hub.load("x", "small", source="elsewhere")
    with pytest.raises(FileNotFoundError, match=r"hubconf\.py"):
        hub.load(tmp_path, "small", source="local")
    (tmp_path / "hubconf.py").write_text('dependencies = ["no_such_package_at_all"]')
    with pytest.raises(RuntimeError, match="Missing dependencies: no_such_package_at_all"):
        hub.load(tmp_path, "small", source="local")


def test_weights_by_address(weights, tmp_path):
    hub.set_dir(tmp_path / "hub")
    try:
        state = hub.load_state_dict_from_url(weights.as_uri(), check_hash=True, progress=False)
        assert state["w"].tolist() == [0, 1, 2]
        kept = tmp_path / "hub" / "checkpoints" / weights.name
        assert kept.read_bytes() == weights.read_bytes()
        weights.unlink()  # a second time the file is there
        assert hub.load_state_dict_from_url(weights.as_uri())["w"].tolist() == [0, 1, 2]
    finally:
        hub._folder = None


def test_a_wrong_sum_leaves_nothing(weights, tmp_path):
    target = tmp_path / "out.pt"
    with pytest.raises(RuntimeError, match='invalid hash value .expected "00000000"'):
        hub.download_url_to_file(weights.as_uri(), target, "00000000")
    assert not target.exists() and not list(tmp_path.glob(".out*"))
    with pytest.raises(ValueError, match="neither http nor https"):
        hub.download_url_to_file("ftp://host/file", target)


def test_a_broken_connection_leaves_nothing(tmp_path):
    class Half(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"x" * 10)

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Half) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        with pytest.raises(RuntimeError, match="broke after 10 of 100 bytes"):
            hub.download_url_to_file(f"http://127.0.0.1:{server.server_port}/w.pt", tmp_path / "w.pt", progress=False)
    assert not list(tmp_path.iterdir())


def test_a_repository_that_is_there_already_is_used(tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "_folder", str(tmp_path))
    for folder in ("owner_name_main", "owner_name_a_branch"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "hubconf.py").write_text(f"def model(n, verbose=0):\n    return n, verbose, {folder!r}\n")
    assert hub.load("owner/name", "model", 3, trust_repo=True, verbose=False) == (3, 0, "owner_name_main")
    assert hub.load("owner/name:a/branch", "model", 3)[2] == "owner_name_a_branch"
    assert hub.list("owner/name", trust_repo=True) == ["model"]
    with pytest.raises(NotImplementedError, match="clone it to .*owner_other_main, or pass its folder"):
        hub.load("owner/other", "model")
    with pytest.raises(ValueError, match="OWNER/NAME"):
        hub.load("somewhere", "model")
