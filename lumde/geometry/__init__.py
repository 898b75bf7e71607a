"""Pure functions of cameras, depth, motion and warping."""
