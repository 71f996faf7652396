"""The rules of bidders and their qualifications. Nothing here knows gRPC, SQL or the time."""
