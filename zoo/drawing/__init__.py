"""Draws networks: what a network computes, in which blocks, as a picture in SVG. See :func:`zoo.draw`."""
