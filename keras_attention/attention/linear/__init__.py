"""Weights that are products of features, so that keys are summed once.

Begun by Katharopoulos et al. 2020 (linear attention) and Choromanski et al.
2021 (Performer).
"""
