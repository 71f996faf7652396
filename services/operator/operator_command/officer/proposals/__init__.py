"""What two persons decide: proposals of one officer, which another one approves or rejects.

- `command`: the command line: `toroku propose`, `toroku approve`, `toroku reject`
- `reading`: proposals, found at the service whose they are, and held against what their proposer signed
- `showing`: a proposal in words
- `deciding`: approval and rejection
"""
