"""RUN/report.html: one page that sums up every stage of a run and links to their own pages."""
