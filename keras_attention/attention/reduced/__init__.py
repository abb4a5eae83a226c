"""Fewer keys or fewer queries: mixtures, landmarks, learned latents.

Begun by Lee et al. 2019 (Set Transformer), Wang et al. 2020 (Linformer) and
Jaegle et al. 2021 (Perceiver).
"""
