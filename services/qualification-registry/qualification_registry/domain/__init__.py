"""The rules of bidders and their qualifications, and the types that other rooms share; no gRPC, SQL or clock.

- `bidders`: a bidder, its status, its company profile, and where a roster qualifies it.
- `corporate_number`: 法人番号 and its check digit.
- `passwords`: generated passwords, their hashes, and the letters that carry them.
- `proof`: the signed statement that a search found a bidder.
- `roster_cells`: what one column of a roster may contain.
- `roster_changes`: what becomes of a line, and which of its fields differ.
- `roster_comparison`: what an import would do to the current version of a roster.
- `roster_days`: days of the western calendar, of Japanese eras, and as numbers of spreadsheets.
- `roster_decisions`: officers' decisions on roster lines whose bidder is ambiguous.
- `roster_encoding`: the encoding of a text file.
- `roster_errors`: errors in a roster file, by row and column.
- `roster_file`: a CSV file's bytes as numbered records.
- `roster_format`: what a file is, by its bytes.
- `roster_header`: the row with the names of the columns.
- `roster_import`: an import from upload to commit: what each step takes and returns.
- `roster_joining`: several rows of one bidder as one.
- `roster_lines`: records as lines of a roster, by the profile's mapping.
- `roster_numbers`: ids, telephone numbers and postal codes in half width.
- `roster_source`: opens a roster file of any kind.
- `roster_versions`: what each import made of a roster, and whether it counts.
- `roster_workbook`: a worksheet as numbered records.
- `search`: what a contractor searches with, which bidder that finds, and how its company compares with the card's.
- `throttle`: how guessing is slowed.
- `workbook`: the worksheets of an Excel workbook as rows of texts.
- `workbook_cells`: what a cell of a workbook says.
- `workbook_package`: the parts of a workbook, parsed within bounds.
"""
