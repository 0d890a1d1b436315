"""Runs side by side: one row a configuration, and whether the difference between two is more than chance."""
