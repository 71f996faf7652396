"""The database: one function per question or change; the transaction is the caller's.

tables          the tables
registrations   registrations, the newest version of each
intentions      intentions: opened, claimed in batches, closed
propagations    the states at further agencies
"""
