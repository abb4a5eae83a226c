"""A number for each distance, added to the scores.

Begun by Raffel et al. 2020 (T5) and Press et al. 2022 (ALiBi).
"""
