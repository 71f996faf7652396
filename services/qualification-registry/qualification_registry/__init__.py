"""入札参加資格: rosters, bidders, company profiles, passwords."""
