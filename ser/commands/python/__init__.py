"""What `import ser` offers a script or a notebook: the same work as the commands, given back as objects."""
