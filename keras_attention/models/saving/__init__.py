"""Models as files: folders of presets, weights, cards and exports."""
