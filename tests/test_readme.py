"""The README's examples, one after the other, as a reader tries them."""

import pytest

from keras_attention.zoo.core import hub
from tests.tasks import tiny
from tests.tiny_hub import fetch_into
from tests.tools import BACKEND, ROOT


@pytest.mark.skipif(
    BACKEND != "tensorflow", reason="they export, which needs TensorFlow"
)
def test_the_examples_run_in_their_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub, "fetch", fetch_into(tmp_path))
    tiny.task().save("runs/translation/task")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    assert len(blocks) > 5
    known = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), known)
    assert len(known["maps"]["block_0/attention"].shape) == 4
    assert (tmp_path / "attention.html").is_file()
