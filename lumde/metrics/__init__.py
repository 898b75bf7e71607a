"""Figures of merit: pure functions."""
