"""Choices that the command line offers and that the code behind it checks; nothing heavy is imported for them."""

DEVICES = ("auto", "cpu", "gpu")  # that a model runs on
DETECTORS = ("auto", "silero", "energy", "none")  # of pauses
