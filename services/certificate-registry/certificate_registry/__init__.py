"""certificate-registry: cards, their sessions and bindings, and the commit of every registration."""
