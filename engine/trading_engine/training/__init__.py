"""Candles to a trained model and its card: dataset, split in time, LightGBM, threshold, evaluation, gate."""
