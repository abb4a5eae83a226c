"""What runs/ imports, and when."""

import pytest

from tests.tools import ROOT, run_python

RUNS = ROOT / "keras_attention" / "runs"
# Keras itself tries some of them, so they are made impossible to import.
WITHOUT = """
import importlib, sys
for name in "tyro matplotlib sacrebleu rouge_score sklearn nltk gensim".split():
    sys.modules[name] = None
for name in sys.argv[1:]:
    importlib.import_module(name)
print(sum(name.startswith("keras_attention.runs") for name in sys.modules))
"""


@pytest.mark.full
def test_what_only_recipes_need_loads_where_it_is_used():
    names = [f"keras_attention.runs.{x.stem}" for x in RUNS.glob("*.py")]
    assert int(run_python(WITHOUT, "keras_attention")) == 0
    assert int(run_python(WITHOUT, *names)) >= len(names)
