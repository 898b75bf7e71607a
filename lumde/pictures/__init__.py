"""Colour maps, panels and curves."""
