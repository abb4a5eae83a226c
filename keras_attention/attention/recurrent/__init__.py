"""The past as a state of constant size, scanned in chunks.

Begun by Sun et al. 2023 (RetNet), Yang et al. 2024 (gated linear attention)
and the delta rule of Schlag et al. 2021.
"""
