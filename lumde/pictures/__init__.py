"""Colour maps, coloured depth, error maps, grids and curves: arrays in, RGB pictures or SVG text out."""
