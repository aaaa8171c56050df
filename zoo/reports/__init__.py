"""Pictures and pages: plots, the HTML report, the model card, the demo in the browser."""
