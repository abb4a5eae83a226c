"""The parts of a block and the block."""
