"""Run folders of earlier versions, whose configurations say `norm_first`."""

import dataclasses
import json

import pytest

from keras_attention.runs.folder import read_config
from tests.recipes import in_process


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("name", ["translation", "classification"])
def test_the_options_of_an_earlier_run_are_read(tmp_path, name, norm_first):
    config = in_process.load(name).Train
    written = dataclasses.asdict(config(run=str(tmp_path)))
    del written["residual"]
    written["norm_first"] = norm_first
    text = json.dumps(written)
    (tmp_path / "config.json").write_text(text)
    residual = "pre_norm" if norm_first else "post_norm"
    read = read_config(tmp_path, config)
    assert read.residual == residual
    expected = dataclasses.asdict(config(run=str(tmp_path), residual=residual))
    # A file gives lists for tuples.
    assert dataclasses.asdict(read) == json.loads(json.dumps(expected))
