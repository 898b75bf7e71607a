"""Procedural scenes with exact depth, pose and object ids: same seed, same bytes.

VERSION names the generator. It changes whenever any world changes, and it stands in every result on worlds.
"""

VERSION = "worlds-5"
