"""All that differs between prefectures, as data, and the rules that read it."""
