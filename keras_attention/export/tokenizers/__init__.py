"""Tokenizers in TensorFlow, with the ids and places that Python gives.

WordPiece of BERT, byte-level BPE of GPT-2 and RoBERTa, and SentencePiece
(Unigram) of T5, XLM-R and Marian.
"""
