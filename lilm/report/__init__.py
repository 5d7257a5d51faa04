"""What the reports of all stages share: the page around them, charts as SVG, and figures in words."""
