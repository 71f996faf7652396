"""What the portal knows of its browsers and their journeys: the rules, without SQL, HTTP and gRPC."""
