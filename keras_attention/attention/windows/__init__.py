"""Each query sees what lies near it, in the sequence or on a grid.

Begun by Beltagy et al. 2020 (Longformer) for sequences and by Liu et al. 2021
(Swin) and Ho et al. 2019 (axial attention) for grids.
"""
