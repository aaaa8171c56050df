"""Plots and pages: plots of results, the HTML report, the model card and the demo for the browser."""
