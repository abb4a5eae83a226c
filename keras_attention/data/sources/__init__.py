"""Examples by name: files, tables, TensorFlow Datasets and demos."""
