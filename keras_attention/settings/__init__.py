"""No settings: what another project's `__init__.py` imports first.

`keras_attention/installation.py` says how that one comes into this package.
"""

import sys

if "keras_attention.installation" not in sys.modules:
    # Ours, the first thing that our own `__init__.py` imports, has not run.
    from keras_attention.installation import REPAIR

    raise ImportError(
        "The distribution keras-attention, another project than this one "
        "(keras-attention-zoo), has replaced keras_attention/__init__.py. "
        f"{REPAIR}"
    )
