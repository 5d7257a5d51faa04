"""What `import lilm` offers to programs and notebooks: runs, their results, and models to talk to."""
